//! Personal tokens, and passwords that come with the request.

mod common;

use auth_core::password::PasswordHash;
use auth_core::session::RevocationReason;
use auth_core::store::Revoke;
use auth_core::{
    Account, AuthEvent, ClientInfo, LoginError, NewPersonalToken, PersonalTokenError, Principal,
    Session, Settings, TokenKind, Verified, VerifyError,
};
use common::{PASSWORD, SECRET, World, assert_revoked, seconds};

fn alice() -> Principal {
    Principal::new("user", "1")
}

fn named(name: &str) -> NewPersonalToken {
    NewPersonalToken { name: name.into(), ..NewPersonalToken::default() }
}

fn limited(scopes: &[&str]) -> NewPersonalToken {
    let scopes = scopes.iter().map(|&scope| scope.to_owned()).collect();
    NewPersonalToken { scopes: Some(scopes), ..named("limited") }
}

impl World {
    async fn make(&self, new: NewPersonalToken) -> (String, Session) {
        let (token, session) =
            self.authority.create_personal_token_for(&alice(), new).await.unwrap();
        (token.into_string(), session)
    }

    async fn show(&self, token: &str) -> Result<auth_core::Verified, VerifyError> {
        self.authority.authenticate_personal(token, &ClientInfo::default()).await
    }
}

#[tokio::test]
async fn a_personal_token_is_its_user_until_it_expires() {
    let world = World::new().await;
    let week = NewPersonalToken { lifetime: Some(seconds(7 * 86_400)), ..named(" ci ") };
    let (token, session) = world.make(week).await;
    assert!(token.starts_with("pat_") && token.len() == 68, "{} characters", token.len());
    assert_eq!(session.label.as_deref(), Some("ci"));
    assert!(!format!("{session:?}").contains(&token[40..]));

    let verified = world.show(&token).await.unwrap();
    assert_eq!(verified.principal(), &alice());
    assert_eq!((verified.kind(), verified.session()), (TokenKind::Personal, session.id));
    assert!(!verified.is_foreign() && verified.authenticated_at().is_none());
    let claims: serde_json::Value = verified.claims().unwrap();
    assert_eq!(claims["username"], "alice");

    world.wait(seconds(7 * 86_400 - 1)).await;
    assert!(world.show(&token).await.is_ok());
    world.wait(seconds(1)).await;
    assert!(matches!(world.show(&token).await, Err(VerifyError::Expired)));
}

#[tokio::test]
async fn only_the_whole_text_opens_anything() {
    let world = World::new().await;
    let (token, session) = world.make(named("ci")).await;
    let (other, _) = world.make(named("other")).await;
    // The id of one, the secret of the other: 16 bytes are 21 characters and a third.
    let mixed = format!("{}{}", &token[..4 + 24], &other[4 + 24..]);
    for wrong in [
        "",
        "pat_",
        "pat",
        &token[4..],
        &token[..67],
        &format!("{token}A"),
        &token.replacen("pat_", "pit_", 1),
        &mixed,
        &session.id.to_string(),
    ] {
        let answer = world.show(wrong).await;
        assert!(matches!(answer, Err(VerifyError::Invalid(_))), "{answer:?}");
    }
    // Neither a signed token nor a cookie can be shown as one, nor the other way round.
    let (access, _) = world.pair().await;
    assert!(world.show(&access).await.is_err());
    assert!(world.authenticate(&token).is_err());
    assert!(world.show(&token).await.is_ok(), "and is now remembered");
    let client = ClientInfo::default();
    for value in [&token, &token[4..]] {
        assert!(world.authority.authenticate_cookie(value, &client).await.is_err());
    }
    assert!(world.authority.refresh(&token, &client).await.is_err());
}

#[tokio::test]
async fn a_token_with_scopes_can_do_no_more_than_they_and_its_user_can() {
    let world = World::new().await;
    world.users.change(|alice| {
        alice.scopes = vec!["orders:read".into(), "orders:write".into()];
        alice.is_staff = true;
        alice.role = Some("clerk".into());
    });
    let scopes =
        |verified: &auth_core::Verified| verified.scopes().map(str::to_owned).collect::<Vec<_>>();

    let (everything, _) = world.make(named("everything")).await;
    let verified = world.show(&everything).await.unwrap();
    assert_eq!(scopes(&verified), ["orders:read", "orders:write"]);
    assert_eq!((verified.is_staff(), verified.role()), (true, Some("clerk")));

    let (reader, _) = world.make(limited(&["orders:read"])).await;
    let verified = world.show(&reader).await.unwrap();
    assert_eq!(scopes(&verified), ["orders:read"]);
    assert_eq!((verified.is_staff(), verified.role()), (false, None));

    let (nothing, _) = world.make(limited(&[])).await;
    assert_eq!(scopes(&world.show(&nothing).await.unwrap()), [""; 0]);

    for foreign in ["admin", "orders", "", "orders:read orders:write"] {
        let refused =
            world.authority.create_personal_token_for(&alice(), limited(&[foreign])).await;
        let refused = refused.unwrap_err();
        assert!(matches!(&refused, PersonalTokenError::Scope(scope) if scope == foreign));
    }

    // What its user loses, it loses: at once where the application says so.
    world.users.change(|alice| alice.scopes = vec!["orders:write".into()]);
    let changed = Revoke::AccessTokens(alice());
    world.authority.revoke(changed, RevocationReason::RightsChanged).await.unwrap();
    assert_eq!(scopes(&world.show(&reader).await.unwrap()), [""; 0]);
    assert_eq!(scopes(&world.show(&everything).await.unwrap()), ["orders:write"]);
}

#[tokio::test]
async fn it_ends_when_it_or_its_user_does_and_not_with_a_logout() {
    let world = World::new().await;
    let (token, session) = world.make(named("ci")).await;
    let (access, _) = world.pair().await;

    world.authority.revoke(Revoke::Logins(alice()), RevocationReason::Logout).await.unwrap();
    assert_revoked(world.authenticate(&access), RevocationReason::Logout);
    assert!(world.show(&token).await.is_ok());
    let keep = world.login().await.session.id;
    let others = Revoke::OtherSessions { principal: alice(), keep };
    world.authority.revoke(others, RevocationReason::Logout).await.unwrap();
    assert!(world.show(&token).await.is_ok());

    let reason = RevocationReason::Logout;
    let nobody = Principal::new("client", "1");
    let revoke = async |whose: &Principal, id| {
        world.authority.revoke_personal_token(whose, id, reason).await.unwrap()
    };
    assert!(!revoke(&nobody, session.id).await, "somebody else's");
    assert!(!revoke(&alice(), keep).await, "a login is no personal token");
    assert!(world.show(&token).await.is_ok());
    assert!(revoke(&alice(), session.id).await);
    assert!(!revoke(&alice(), session.id).await, "it has ended");
    assert_revoked(world.show(&token).await, reason);

    let (token, _) = world.make(named("ci")).await;
    world.authority.password_changed(alice()).await.unwrap();
    assert_revoked(world.show(&token).await, RevocationReason::PasswordChanged);

    let (token, _) = world.make(named("ci")).await;
    world.users.change(|alice| alice.is_active = false);
    assert_revoked(world.show(&token).await, RevocationReason::UserInactive);
    world.users.delete();
    assert_revoked(world.show(&token).await, RevocationReason::UserDeleted);
}

#[tokio::test]
async fn the_list_tells_names_scopes_and_the_last_use() {
    let world = World::new().await;
    world.users.change(|alice| alice.scopes = vec!["orders:read".into()]);
    let (token, made) = world.make(limited(&["orders:read"])).await;
    world.login().await;
    world.wait(seconds(3600)).await;
    world.show(&token).await.unwrap();

    let list = world.authority.personal_tokens(&alice()).await.unwrap();
    let [listed] = &list[..] else { panic!("{list:?}") };
    assert_eq!(listed.id, made.id);
    assert_eq!(listed.label.as_deref(), Some("limited"));
    assert_eq!(listed.scopes.as_deref(), Some(&["orders:read".to_owned()][..]));
    assert_eq!((listed.last_seen_at - listed.created_at).num_seconds(), 3600);
    let created = AuthEvent::PersonalTokenCreated { principal: alice(), session: made.id };
    assert!(world.events.lock().unwrap().contains(&created));
}

#[tokio::test]
async fn what_cannot_be_a_personal_token_is_not_made() {
    let world = World::new().await;
    let make =
        async |new| world.authority.create_personal_token_for(&alice(), new).await.unwrap_err();
    for name in ["", "  ", "a\nb", &"x".repeat(101)] {
        assert!(matches!(make(named(name)).await, PersonalTokenError::Name), "{name:?}");
    }
    for lifetime in [seconds(0), seconds(366 * 86_400)] {
        let new = NewPersonalToken { lifetime: Some(lifetime), ..named("ci") };
        assert!(matches!(make(new).await, PersonalTokenError::Lifetime(_)), "{lifetime:?}");
    }
    for _ in 0..100 {
        world.make(named("ci")).await;
    }
    assert!(matches!(make(named("ci")).await, PersonalTokenError::TooMany(100)));
    world.users.change(|alice| alice.is_active = false);
    assert!(matches!(make(named("ci")).await, PersonalTokenError::NoActiveAccount));
}

#[tokio::test]
async fn any_token_of_ours_can_be_inspected() {
    let settings =
        Settings { personal_token_prefix: "shop".into(), ..Settings::with_signing_key(SECRET) };
    let world = World::with(settings).await;
    let (personal, made) = world.make(named("ci")).await;
    assert!(personal.starts_with("shop_"));
    let (access, refresh) = world.pair().await;
    let client = ClientInfo::default();
    let proof = world.authority.prove_password("user", "alice", PASSWORD, &client).await.unwrap();
    let single = world.authority.start_single(proof, &client).await.unwrap().granted;

    let inspect = async |token: &str| world.authority.introspect(token).await;
    for (token, kind) in [
        (&*personal, TokenKind::Personal),
        (&*access, TokenKind::Access),
        (&*refresh, TokenKind::Refresh),
        (single.expose(), TokenKind::Single),
    ] {
        assert_eq!(inspect(token).await.unwrap().kind(), kind);
    }
    world.wait(seconds(10)).await;
    inspect(&personal).await.unwrap();
    let listed = world.authority.session(made.id).await.unwrap().unwrap();
    assert_eq!(listed.last_seen_at, listed.created_at, "to be inspected is no use of it");

    assert!(inspect("nonsense").await.is_err());
    world.users.change(|alice| alice.is_active = false);
    for token in [&personal, &access, &refresh] {
        assert_revoked(inspect(token).await, RevocationReason::UserInactive);
    }
}

#[tokio::test]
async fn a_password_with_the_request_is_a_login_for_that_request() {
    let world = World::new().await;
    let client = ClientInfo::default();
    let show = async |login: &str, password: &str| {
        world.authority.authenticate_password("user", login, password, &client).await
    };
    let verified = show("alice", PASSWORD).await.unwrap();
    assert_eq!(verified.principal(), &alice());
    assert_eq!(verified.kind(), TokenKind::Password);
    assert_eq!(verified.authenticated_at(), Some(world.authority.clock().now()));
    assert!(!verified.is_foreign());
    world.authority.logout(&verified).await.unwrap();
    assert_eq!(world.authority.sessions(&alice()).await.unwrap(), [], "no session began");

    for (login, password) in [("alice", "wrong"), ("bob", PASSWORD), ("", "")] {
        assert!(matches!(show(login, password).await, Err(LoginError::InvalidCredentials)));
    }
    let hash = PasswordHash::create("another one").unwrap();
    world.users.change(|alice| alice.password_hash = Some(hash));
    assert!(show("alice", PASSWORD).await.is_err());
    world.users.change(|alice| alice.is_active = false);
    assert!(show("alice", "another one").await.is_err());
}

#[tokio::test]
async fn it_takes_a_login_that_lives_to_make_one() {
    let world = World::new().await;
    let client = ClientInfo::default();
    let make = async |by: &Verified| world.authority.create_personal_token(by, named("ci")).await;
    let (access, _) = world.pair().await;
    let login = world.authenticate(&access).unwrap();
    let (token, _) = make(&login).await.unwrap();

    let personal = world.show(token.expose()).await.unwrap();
    let basic = world.authority.authenticate_password("user", "alice", PASSWORD, &client).await;
    let claims = serde_json::json!({
        "token_type": "access", "exp": 1_800_000_300, "iat": 1_800_000_000, "jti": "x",
        "user_id": "1", "scope": "profile", "auth_time": 1_800_000_000,
    });
    let key = jsonwebtoken::EncodingKey::from_secret(SECRET.as_bytes());
    let foreign = jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).unwrap();
    for by in [personal, basic.unwrap(), world.authenticate(&foreign).unwrap()] {
        assert!(matches!(make(&by).await, Err(PersonalTokenError::NoLogin)), "{by:?}");
    }
    assert_eq!(world.authority.personal_tokens(&alice()).await.unwrap().len(), 1);

    // Who was let in before, and was logged out since.
    world.authority.logout(&login).await.unwrap();
    assert!(matches!(make(&login).await, Err(PersonalTokenError::NoLogin)));
    assert_eq!(world.authority.personal_tokens(&alice()).await.unwrap().len(), 1);
}

#[tokio::test]
async fn the_account_of_a_limited_token_is_limited_too() {
    let world = World::new().await;
    world.users.change(|alice| {
        (alice.is_staff, alice.role) = (true, Some("boss".into()));
        alice.scopes = vec!["read".into(), "admin".into()];
    });
    let load = async |token: &str| {
        let verified = world.show(token).await.unwrap();
        world.authority.load_account(&verified).await.unwrap()
    };
    let account = load(&world.make(limited(&["read"])).await.0).await;
    assert_eq!((account.is_staff, account.role), (false, None));
    assert_eq!(account.scopes, ["read"]);
    let account = load(&world.make(named("everything")).await.0).await;
    assert_eq!((account.is_staff, account.scopes.len()), (true, 2));
}

#[tokio::test]
async fn the_same_scope_many_times_is_one() {
    let world = World::new().await;
    world.users.change(|alice| alice.scopes = vec!["read".into(), "write".into()]);
    let (_, session) = world.make(limited(&["write", "read", "write"])).await;
    assert_eq!(session.scopes.unwrap(), ["read", "write"]);
}

#[tokio::test]
async fn a_hundred_are_the_most_however_many_come_at_once() {
    let world = World::new().await;
    for _ in 0..98 {
        world.make(named("ci")).await;
    }
    let mut making = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let authority = world.authority.clone();
        making.spawn(async move {
            authority.create_personal_token_for(&alice(), named("ci")).await.is_ok()
        });
    }
    let made = making.join_all().await.into_iter().filter(|made| *made).count();
    let live = world.authority.personal_tokens(&alice()).await.unwrap().len();
    assert_eq!(live, 98 + made);
    assert!(live <= 100, "{live}");
}

/// Locked out, or another password, while the shown one is being hashed.
#[tokio::test]
async fn a_password_with_the_request_is_compared_with_the_account_of_afterwards() {
    for deactivated in [true, false] {
        let world = World::new().await;
        let client = ClientInfo::default();
        let shown = world.authority.authenticate_password("user", "alice", PASSWORD, &client);
        let mut shown = Box::pin(shown);
        let is_hashing = std::future::poll_fn(|context| {
            std::task::Poll::Ready(shown.as_mut().poll(context).is_pending())
        });
        assert!(is_hashing.await);
        world.users.change(|alice| match deactivated {
            true => alice.is_active = false,
            false => alice.password_hash = None,
        });
        assert!(matches!(shown.await, Err(LoginError::InvalidCredentials)));
    }
}

/// The row remembers what the list of revocations has forgotten.
#[tokio::test]
async fn a_revoked_one_stays_revoked() {
    let world = World::new().await;
    let (token, session) = world.make(named("ci")).await;
    let reason = RevocationReason::Logout;
    assert!(world.authority.revoke_personal_token(&alice(), session.id, reason).await.unwrap());
    for _ in 0..3 {
        world.wait(seconds(86_400)).await;
        world.authority.prune().await.unwrap();
        assert_revoked(world.show(&token).await, reason);
    }
}

#[tokio::test]
async fn the_cookie_of_a_session_is_no_personal_token_whatever_is_before_it() {
    let world = World::new().await;
    let client = ClientInfo::default();
    let proof = world.authority.prove_password("user", "alice", PASSWORD, &client).await.unwrap();
    let cookie = world.authority.start_cookie(proof, &client).await.unwrap().granted;
    let shown = world.show(&format!("pat_{}", cookie.expose())).await;
    assert!(matches!(shown, Err(VerifyError::Invalid(_))), "{shown:?}");
}

#[tokio::test]
async fn a_token_whose_rights_have_changed_ends_its_login() {
    let world = World::new().await;
    let (access, refresh) = world.pair().await;
    let changed = Revoke::AccessTokens(alice());
    world.authority.revoke(changed, RevocationReason::RightsChanged).await.unwrap();
    assert!(world.authority.introspect(&access).await.is_err());
    let verified = world.authority.identify(&access).await.unwrap();
    world.authority.logout(&verified).await.unwrap();
    assert!(world.authority.refresh(&refresh, &ClientInfo::default()).await.is_err());
    assert!(world.authority.identify(&access).await.is_err());
}

/// What was ended while its user was away does not come back with them.
#[tokio::test]
async fn a_token_is_ended_whether_or_not_its_user_may_act() {
    let world = World::new().await;
    let (access, refresh) = world.pair().await;
    let (personal, _) = world.make(named("ci")).await;
    let (other, _) = world.make(named("other")).await;
    world.users.change(|alice| alice.is_active = false);
    for token in [&access, &personal] {
        assert!(world.authority.introspect(token).await.is_err());
        let verified = world.authority.identify(token).await.unwrap();
        assert_eq!(verified.principal(), &alice());
        world.authority.logout(&verified).await.unwrap();
        assert!(world.authority.identify(token).await.is_err());
    }
    let gone = world.users.account();
    world.users.delete();
    let verified = world.authority.identify(&other).await.unwrap();
    assert_eq!((verified.principal(), verified.is_staff()), (&alice(), false));

    world.users.add(Account { is_active: true, ..gone });
    for token in [&access, &refresh, &personal] {
        assert_revoked(world.authority.introspect(token).await, RevocationReason::Logout);
    }
    assert!(world.authority.introspect(&other).await.is_ok());
}
