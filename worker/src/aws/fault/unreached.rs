//! Why a call did not reach its service: credentials, endpoint, connection.

use std::error::Error;
use std::io;

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::result::{ConnectorError, DispatchFailure};

use super::Class;
use crate::aws::host::ToHost;

/// The reason in words, and whether it may pass.
pub(super) fn reason(failure: &DispatchFailure) -> (String, Class) {
    let Some(error) = failure.as_connector_error() else {
        return ("no connection".to_owned(), Class::Transient);
    };
    if let Some(credentials) = cause::<CredentialsError>(error) {
        return no_credentials(credentials);
    }
    let to = cause::<ToHost>(error).map(|to| format!(" to {}", to.host)).unwrap_or_default();
    if error.is_timeout() {
        return (format!("no connection{to} in time"), Class::Transient);
    }
    if error.is_user() {
        return ("the request could not be built".to_owned(), Class::Systemic);
    }
    if error.is_io() {
        let why = cause::<io::Error>(error).map(|why| format!(": {why}")).unwrap_or_default();
        return (format!("no connection{to}{why}"), Class::Transient);
    }
    // The SDK found an error before it sent anything, such as in an endpoint from one of its own variables. Its message
    // names settings, never the request.
    match error.source() {
        Some(source) if to.is_empty() => (format!("not sent: {}", words(source)), Class::Systemic),
        _ => (format!("no connection{to}"), Class::Transient),
    }
}

/// If no source has credentials, or they are configured wrongly, the failure lasts until that is fixed; a source that
/// fails may recover.
pub(crate) fn no_credentials(error: &CredentialsError) -> (String, Class) {
    let reason = error.source().map(words).unwrap_or_default();
    match error {
        CredentialsError::CredentialsNotLoaded(_) => (
            "no credentials: give the machine a role, or set AWS_PROFILE or AWS_ACCESS_KEY_ID and \
             AWS_SECRET_ACCESS_KEY"
                .to_owned(),
            Class::Systemic,
        ),
        CredentialsError::InvalidConfiguration(_) => {
            (format!("the credentials are configured wrongly: {reason}"), Class::Systemic)
        }
        CredentialsError::ProviderTimedOut(_) => {
            ("the source of the credentials does not answer".to_owned(), Class::Transient)
        }
        _ => (format!("the source of the credentials fails: {reason}"), Class::Transient),
    }
}

/// An error and its causes in one line.
pub(crate) fn words(error: &(dyn Error + 'static)) -> String {
    let mut words = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        words.push(error.to_string().replace('\n', " "));
        next = error.source();
    }
    words.dedup();
    words.join(": ")
}

/// The innermost cause of a type.
fn cause<T: Error + 'static>(error: &ConnectorError) -> Option<&T> {
    let mut found = None;
    let mut source = error.source();
    while let Some(error) = source {
        found = error.downcast_ref().or(found);
        source = error.source();
    }
    found
}
