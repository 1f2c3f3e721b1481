//! The credential for one registry.

#[derive(Debug, Clone, PartialEq, Eq)]
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
