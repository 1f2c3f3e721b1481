//! How every crate says what was being done when a system call failed.

/// Defines the trait `IoContext` for a crate's error type, which must have a variant `Io { action, source }`.
///
/// `call().context(|| format!("open {path}"))?` becomes the error "cannot open …: Permission denied". The trait is one
/// per error type, because a trait generic over the error would leave `?` without a type to convert from.
#[macro_export]
macro_rules! define_context {
    ($error:ident) => {
        /// Says what was being done when a system call failed. `action` completes the sentence "cannot …".
        pub(crate) trait IoContext<T> {
            fn context(self, action: impl FnOnce() -> String) -> ::std::result::Result<T, $error>;
        }

        impl<T, E: Into<::std::io::Error>> IoContext<T> for ::std::result::Result<T, E> {
            fn context(self, action: impl FnOnce() -> String) -> ::std::result::Result<T, $error> {
                self.map_err(|error| $error::Io { action: action(), source: error.into() })
            }
        }
    };
}
