//! Callers whom the identity provider knows: with an access token of its, or signed in with a browser.

use axum::response::{IntoResponse as _, Response};
use jiff::SignedDuration;

use super::{Auth, Refused, Tokens};
use crate::api::ApiState;
use crate::api::audit::Line;
use crate::api::caller::{Caller, Holder};
use crate::api::error::Failure;
use crate::api::server::Peer;
use crate::control::tokens::Secret;
use crate::metrics::Refusal;
use crate::oidc::{Attempt, Denied, Person, Provider, Purpose};
use crate::role::Role;

/// How long somebody whom the identity provider named stays signed in: a working day.
const SESSION: SignedDuration = SignedDuration::from_hours(8);

/// What the identity provider sent a browser back with.
#[derive(Debug)]
pub(crate) struct SignIn<'a> {
    pub(crate) attempt: &'a Attempt,
    /// The address that it was sent back to.
    pub(crate) back: &'a str,
    pub(crate) code: String,
}

impl Auth {
    /// Finds out who signed in at the identity provider, and opens a session for them. A refusal is counted, logged and
    /// answered as that of any request.
    pub(crate) async fn redeem(
        &self,
        state: &ApiState,
        line: Line,
        answer: SignIn<'_>,
    ) -> Result<(Secret, Caller), Response> {
        let from = line.peer();
        let Some(tokens) = &self.0 else { return Err(Failure::NoSuchResource.into_response()) };
        let refuse = |refused: Refused, line: &Line| refused.answer(state, line);
        let caller = match tokens.redeem(answer, from).await {
            Ok(holder) => Caller::with(holder),
            Err(refused) => return Err(refuse(refused, &line)),
        };
        if !caller.may(Role::Viewer) {
            let why = "none of your groups has a role here; ask an operator";
            let failure = Failure::Unauthenticated(why);
            let refused = Refused { why: Refusal::Role, failure, is_logged: true, detail: Some(why) };
            return Err(refuse(refused, &line.by(caller)));
        }
        match tokens.open_session(&caller).await {
            Ok(secret) => Ok((secret, caller)),
            Err(failure) => Err(failure.into_response()),
        }
    }

    /// Ends a session of somebody whom the identity provider named, in the whole fleet. Another token stays good.
    pub(crate) async fn close_session(&self, secret: &Secret) -> Result<(), Failure> {
        let Some(tokens) = &self.0 else { return Ok(()) };
        let hash = secret.hash();
        if tokens.table.find_token(&hash).await?.is_some_and(|token| token.is_session) {
            tokens.table.end_session(&hash, tokens.clock.now()).await?;
            tokens.known.learn(&hash, None);
        }
        Ok(())
    }
}

impl Tokens {
    /// Whom a token of the identity provider names. The keys of a moment ago are asked first, whatever else came from the
    /// address: nobody can guess a signature, and forged tokens must not keep out those who share a load balancer.
    pub(super) async fn ask(
        &self,
        provider: &Provider,
        token: &str,
        from: Option<Peer>,
    ) -> Result<Holder, Refused> {
        let now = self.clock.now();
        let mut identified = provider.identify(token, Purpose::Access, now);
        if identified.is_err() && self.failures.are_too_many(from) {
            return Err(self.failed(from, Refusal::TooMany));
        }
        if matches!(identified, Err(Denied::UnknownKey | Denied::NoKeys)) {
            let Ok(_question) = self.questions.try_acquire() else { return Err(Refused::busy()) };
            identified = provider.identify_newly(token, Purpose::Access, now).await;
        }
        self.holder(identified, from)
    }

    /// Who signed in.
    async fn redeem(&self, answer: SignIn<'_>, from: Option<Peer>) -> Result<Holder, Refused> {
        let Some(provider) = &self.provider else { return Err(self.failed(from, Refusal::NoToken)) };
        if self.failures.are_too_many(from) {
            return Err(self.failed(from, Refusal::TooMany));
        }
        let Ok(_question) = self.questions.try_acquire() else { return Err(Refused::busy()) };
        let SignIn { attempt, back, code } = answer;
        let now = self.clock.now();
        self.holder(provider.redeem(attempt, back, code, now).await, from)
    }

    /// Stores a session under a new secret.
    async fn open_session(&self, caller: &Caller) -> Result<Secret, Failure> {
        let Some(holder) = caller.holder() else { return Err(Failure::NoSuchResource) };
        let secret = Secret::generate();
        let secret = secret.map_err(|error| Failure::Internal(format!("no random numbers: {error}")))?;
        let now = self.clock.now();
        let (hash, who) = (secret.hash(), (holder.name.as_str(), holder.label.as_deref()));
        self.table.store_session(&hash, who, &holder.roles, (now, now + SESSION)).await?;
        Ok(secret)
    }

    /// What became of a token of the identity provider.
    fn holder(&self, identified: Result<Person, Denied>, from: Option<Peer>) -> Result<Holder, Refused> {
        let refused = |detail| {
            let failure = Failure::Unauthenticated(detail);
            Refused { failure, detail: Some(detail), ..self.failed(from, Refusal::UnknownToken) }
        };
        match identified {
            Ok(person) => Holder::of_provider(person)
                .map_err(|_| refused("the person's name in the token is not one that decisions can have")),
            Err(Denied::Refused(why)) => Err(refused(why)),
            Err(Denied::UnknownKey) => {
                Err(refused("the token is signed with a key that the identity provider does not have"))
            }
            Err(Denied::Silent | Denied::NoKeys) => Err(Refused::no_answer(Failure::Unavailable {
                why: "the identity provider does not answer".to_owned(),
                may_pass: true,
            })),
        }
    }
}
