//! Signed tokens with keys as openssl writes them. The keys are for these tests only.

use std::fs;

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use types::Index;

use super::*;

const METHODS: [(&str, &str); 13] = [
    ("HS256", ""),
    ("HS384", ""),
    ("HS512", ""),
    ("RS256", "rsa"),
    ("RS384", "rsa"),
    ("RS512", "rsa"),
    ("PS256", "rsa"),
    ("PS384", "rsa"),
    ("PS512", "rsa"),
    ("ES256", "p256"),
    ("ES384", "p384"),
    ("ES512", "p521"),
    ("EdDSA", "ed25519"),
];

fn path(name: &str) -> String {
    format!("{}/testdata/jwt/{name}.pem", env!("CARGO_MANIFEST_DIR"))
}

/// Options with a private and a public key; an empty name is no key.
fn made(method: &str, private: &str, public: &str) -> Result<Jwt, JwtOptionsError> {
    let keys = [("priv-key", private), ("pub-key", public)].map(|(option, name)| {
        let path = if name.is_empty() {
            String::new()
        } else {
            path(name)
        };
        (option, path)
    });
    let mut options = BTreeMap::from([("sign-method", method)]);
    options.extend(keys.iter().map(|(option, path)| (*option, path.as_str())));
    Jwt::new(&options, |_| None)
}

fn login(revision: u64) -> Login {
    Login {
        user: "alice".to_owned(),
        secret: String::new(),
        index: Index(9),
        revision,
    }
}

/// Every method makes tokens that its public key alone can check.
#[test]
fn methods() {
    for (method, key) in METHODS {
        // Any file is a shared secret.
        let (private, public) = match key {
            "" => ("rsa".to_owned(), String::new()),
            key => (key.to_owned(), format!("{key}.pub")),
        };
        let signer = made(method, &private, &public).unwrap_or_else(|e| panic!("{method}: {e}"));
        let token = signer.token(&login(7)).unwrap();
        let owner = signer.owner(&token).unwrap();
        assert_eq!((&*owner.user, owner.revision), ("alice", 7), "{method}");
        if public.is_empty() {
            continue;
        }
        let checker = made(method, "", &public).unwrap();
        assert_eq!(checker.owner(&token), Some(owner), "{method}");
        assert_eq!(checker.token(&login(7)), None, "{method}");
    }
}

/// Keys in the older form, with and without the curve's parameters before them.
#[test]
fn older_forms() {
    for (method, key) in [("ES256", "p256"), ("ES384", "p384"), ("ES512", "p521")] {
        let signer = made(method, &format!("{key}.sec1"), &format!("{key}.pub")).unwrap();
        let token = signer.token(&login(7)).unwrap();
        let checker = made(method, "", &format!("{key}.pub")).unwrap();
        assert!(checker.owner(&token).is_some(), "{method}");
    }
    let wrong = made("ES384", "p256.sec1", "");
    assert!(wrong.is_err(), "a key of another curve");
}

/// A token is good as long as it says, not longer because it was remembered.
#[test]
fn ends() {
    let jwt = made("HS256", "rsa", "").unwrap();
    let token = jwt.token(&login(7)).unwrap();
    let now = unix_seconds();
    assert!(jwt.owner_at(&token, now).is_some());
    assert!(jwt.owner_at(&token, now + 299).is_some());
    assert_eq!(jwt.owner_at(&token, now + 302), None);
}

/// Whoever can change a byte, or choose the method, must not become somebody else.
#[test]
fn forgeries() {
    for (method, key) in [("RS256", "rsa"), ("ES512", "p521")] {
        forge(method, key);
    }
}

fn forge(method: &str, key: &str) {
    let jwt = made(method, key, "").unwrap();
    let token = jwt.token(&login(7)).unwrap();
    for at in [0, token.len() / 2, token.len() - 10] {
        let mut forged = token.clone().into_bytes();
        forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
        let forged = String::from_utf8(forged).unwrap();
        assert_eq!(jwt.owner(&forged), None, "{method} {at}");
    }
    // The public key as the shared secret of a method that the server does not use.
    let public = fs::read(path(&format!("{key}.pub"))).unwrap();
    let claims = Claims {
        username: "root".to_owned(),
        revision: 7.0,
        exp: None,
        nbf: None,
    };
    let secret = EncodingKey::from_secret(&public);
    let confused = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &secret).unwrap();
    assert_eq!(jwt.owner(&confused), None, "{method}");
    // No method at all.
    let payload = confused.split('.').nth(1).unwrap();
    let unsigned = format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{payload}.");
    assert_eq!(jwt.owner(&unsigned), None, "{method}");
    for garbage in ["", ".", "..", "a.b.c", "abcdefghijklmnop.7"] {
        assert_eq!(jwt.owner(garbage), None, "{method} {garbage}");
    }
    for cut in 0..token.len() {
        assert_eq!(jwt.owner(&token[..cut]), None, "{method} {cut}");
    }
    assert!(jwt.owner(&token).is_some());
}

/// A token that begins later is not good yet.
#[test]
fn begins() {
    for (method, key) in [("HS256", "rsa"), ("ES512", "p521")] {
        let jwt = made(method, key, "").unwrap();
        let begins = |nbf: u64| {
            let claims = Claims {
                username: "alice".to_owned(),
                revision: 7.0,
                exp: None,
                nbf: Some(nbf as f64),
            };
            jwt.owner(&jwt.scheme.sign(&claims).unwrap()).is_some()
        };
        assert!(begins(unix_seconds()), "{method}");
        assert!(!begins(unix_seconds() + 1000), "{method}");
    }
}

/// The table of remembered tokens must not grow with the tokens that clients invent.
#[test]
fn memory_is_bounded() {
    let jwt = made("HS256", "rsa", "").unwrap();
    for revision in 0..20_000 {
        let token = jwt.token(&login(revision)).unwrap();
        assert!(jwt.owner(&token).is_some());
        assert_eq!(jwt.owner(&format!("{token}x")), None);
    }
    let remembered: usize = jwt.remembered.iter().map(|shard| shard.read().len()).sum();
    assert!(remembered <= SHARDS * REMEMBERED_MAX, "{remembered}");
}

/// A configuration that cannot work must stop the start with its reason.
#[test]
fn refused_options() {
    assert!(matches!(
        made("", "rsa", ""),
        Err(JwtOptionsError::Method(_))
    ));
    assert!(matches!(
        made("none", "rsa", ""),
        Err(JwtOptionsError::Method(_))
    ));
    assert!(matches!(
        made("RS256", "", ""),
        Err(JwtOptionsError::MissingKey)
    ));
    assert!(matches!(
        made("RS256", "missing", ""),
        Err(JwtOptionsError::File { .. })
    ));
    assert!(matches!(
        made("RS256", "p256", ""),
        Err(JwtOptionsError::Key { .. })
    ));
    assert!(matches!(
        made("RS256", "rsa", "other-rsa.pub"),
        Err(JwtOptionsError::Mismatch)
    ));
    assert!(matches!(
        made("ES512", "p384", ""),
        Err(JwtOptionsError::Key { .. })
    ));
    assert!(matches!(
        made("ES512", "", ""),
        Err(JwtOptionsError::MissingKey)
    ));
    let options = BTreeMap::from([("sign-method", "HS256"), ("ttl", "soon")]);
    assert!(matches!(
        Jwt::new(&options, |_| None),
        Err(JwtOptionsError::Ttl(_))
    ));
    assert!(!format!("{:?}", made("HS256", "rsa", "").unwrap()).contains("BEGIN"));
}
