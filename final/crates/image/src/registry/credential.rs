//! The credential for one registry.

use std::fmt;

#[derive(Clone, PartialEq, Eq)]
pub enum Credential {
    Password {
        user: String,
        password: String,
    },
    /// An identity token, which the authorization server exchanges for access tokens.
    Identity {
        token: String,
    },
}

/// Without the secrets, so that they reach no message and no log.
impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Password { user, .. } => {
                f.debug_struct("Password").field("user", user).finish_non_exhaustive()
            }
            Self::Identity { .. } => f.debug_struct("Identity").finish_non_exhaustive(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_holds_no_secret() {
        let password = Credential::Password { user: "ann".into(), password: "secret".into() };
        assert_eq!(format!("{password:?}"), r#"Password { user: "ann", .. }"#);
        let identity = Credential::Identity { token: "secret".into() };
        assert_eq!(format!("{identity:?}"), "Identity { .. }");
    }
}
