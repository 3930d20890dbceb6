//! Which requests are recorded: rules by method, user and prefix, of which the first that fits decides.

use proto::{METHODS, Method};

use super::subject::Subject;

/// A rule; what is empty fits everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    /// Whether what fits is recorded.
    pub log: bool,
    /// Names of users; the empty name is nobody's.
    pub users: Vec<String>,
    /// Methods: `Put`, `KV/Put`, `KV/*`, or a full path.
    pub rpcs: Vec<String>,
    /// Prefixes of keys.
    pub prefixes: Vec<String>,
}

/// Why a rule cannot be kept.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// A name fits no method.
    #[error("rule {rule}: there is no RPC {name:?}; names are like Put, KV/Put or KV/*")]
    NoSuchMethod {
        /// The rule, counted from one.
        rule: usize,
        /// The name.
        name: String,
    },
}

/// The rules, and what becomes of requests that none fits.
#[derive(Clone, Debug)]
pub struct Policy {
    rules: Vec<Compiled>,
    otherwise: bool,
    /// Decisions for which a method's name is enough.
    early: Vec<Option<bool>>,
}

#[derive(Clone, Debug)]
struct Compiled {
    rule: Rule,
    /// For each method of the table.
    methods: Vec<bool>,
}

/// A request that is to be decided on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request<'a> {
    /// The method's place in the table.
    pub(crate) method: usize,
    pub(crate) user: &'a str,
    pub(crate) subject: &'a Subject,
}

/// What is known of a request by its method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Record,
    Skip,
    /// The user or the keys decide.
    Look,
}

impl Default for Policy {
    /// Everything is recorded.
    fn default() -> Self {
        Self {
            rules: Vec::new(),
            otherwise: true,
            early: vec![Some(true); METHODS.len()],
        }
    }
}

impl Policy {
    /// Checks the rules; `otherwise` decides where none fits.
    ///
    /// # Errors
    /// [`RuleError`].
    pub fn new(rules: Vec<Rule>, otherwise: bool) -> Result<Self, RuleError> {
        let compile = |(at, rule): (usize, Rule)| {
            let unknown = |name: &&String| !METHODS.iter().any(|method| names(name, method));
            if let Some(name) = rule.rpcs.iter().find(unknown) {
                let name = name.clone();
                return Err(RuleError::NoSuchMethod { rule: at + 1, name });
            }
            let fits = |method: &Method| {
                rule.rpcs.is_empty() || rule.rpcs.iter().any(|name| names(name, method))
            };
            let methods = METHODS.iter().map(fits).collect();
            Ok(Compiled { rule, methods })
        };
        let rules: Vec<Compiled> = rules
            .into_iter()
            .enumerate()
            .map(compile)
            .collect::<Result<_, _>>()?;
        let early = |method| {
            let first = rules.iter().find(|rule| rule.methods[method]);
            match first {
                None => Some(otherwise),
                Some(Compiled { rule, .. }) => {
                    let by_method = rule.users.is_empty() && rule.prefixes.is_empty();
                    by_method.then_some(rule.log)
                }
            }
        };
        Ok(Self {
            early: (0..METHODS.len()).map(early).collect(),
            otherwise,
            rules,
        })
    }

    /// What the method alone decides.
    pub(crate) fn by_method(&self, method: usize) -> Verdict {
        match self.early.get(method) {
            Some(Some(true)) => Verdict::Record,
            Some(Some(false)) => Verdict::Skip,
            _ => Verdict::Look,
        }
    }

    /// Whether a request is recorded.
    pub(crate) fn records(&self, request: Request<'_>) -> bool {
        let first = self.rules.iter().find(|rule| rule.fits(request));
        first.map_or(self.otherwise, |rule| rule.rule.log)
    }
}

impl Compiled {
    fn fits(&self, request: Request<'_>) -> bool {
        let Request {
            method,
            user,
            subject,
        } = request;
        self.methods.get(method) == Some(&true)
            && (self.rule.users.is_empty() || self.rule.users.iter().any(|name| name == user))
            && (self.rule.prefixes.is_empty() || self.fits_keys(subject))
    }

    /// A rule that records fits what touches one of its prefixes; one that does not record fits only
    /// what lies wholly within them, so that nothing else is kept silent with it.
    fn fits_keys(&self, subject: &Subject) -> bool {
        let prefixes = &self.rule.prefixes;
        let mut spans = subject.spans.iter();
        match self.rule.log {
            true => spans.any(|span| prefixes.iter().any(|p| span.touches(p.as_bytes()))),
            false => {
                let is_within = |p: &String, span: &super::Span| span.is_within(p.as_bytes());
                !subject.spans.is_empty()
                    && subject.more == 0
                    && spans.all(|span| prefixes.iter().any(|p| is_within(p, span)))
            }
        }
    }
}

/// Whether a rule's name means the method.
fn names(name: &str, method: &Method) -> bool {
    let full = name.strip_prefix('/').unwrap_or(name);
    match full.rsplit_once('/') {
        None => full == method.name,
        Some((service, rpc)) => {
            let short = method.service.rsplit('.').next();
            (service == method.service || Some(service) == short)
                && (rpc == "*" || rpc == method.name)
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn place(name: &str) -> usize {
        METHODS.iter().position(|m| m.name == name).unwrap()
    }

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|&word| word.to_owned()).collect()
    }

    fn rule(log: bool, users: &[&str], rpcs: &[&str], prefixes: &[&str]) -> Rule {
        let (users, rpcs, prefixes) = (words(users), words(rpcs), words(prefixes));
        Rule {
            log,
            users,
            rpcs,
            prefixes,
        }
    }

    /// A rule that fits too much silently loses what an auditor will ask for.
    #[test]
    fn the_first_rule_that_fits_decides() {
        let rules = vec![
            rule(true, &[], &["/etcdserverpb.KV/DeleteRange"], &[]),
            rule(false, &["kube"], &["KV/*", "Watch/Watch"], &["/leases/"]),
            rule(false, &[""], &[], &[]),
            rule(false, &[], &["Status"], &[]),
        ];
        let policy = Policy::new(rules, true).unwrap();
        assert_eq!(policy.by_method(place("DeleteRange")), Verdict::Record);
        assert_eq!(policy.by_method(place("Range")), Verdict::Look);
        let ask = |name: &str, user: &str, keys: &[(&'static str, &'static str)]| {
            let mut subject = Subject::default();
            for (key, end) in keys {
                subject.span(
                    "range",
                    Bytes::from_static(key.as_bytes()),
                    Bytes::from_static(end.as_bytes()),
                );
            }
            policy.records(Request {
                method: place(name),
                user,
                subject: &subject,
            })
        };
        assert!(!ask("Range", "kube", &[("/leases/a", "")]));
        assert!(ask("Range", "kube", &[("/leases/a", ""), ("/pods", "")]));
        assert!(ask("Range", "kube", &[("/leases/", "\0")]));
        assert!(ask("Range", "kube", &[]), "no keys are not within a prefix");
        assert!(ask("Range", "eve", &[("/leases/a", "")]));
        assert!(ask("DeleteRange", "kube", &[("/leases/a", "")]));
        assert!(!ask("Range", "", &[("x", "")]));
        assert!(!ask("Status", "eve", &[]));
        assert!(ask("UserAdd", "eve", &[]));
    }

    #[test]
    fn touching_is_enough_to_be_recorded() {
        let policy = Policy::new(vec![rule(true, &[], &[], &["/secrets/"])], false).unwrap();
        let ask = |key: &'static str, end: &'static str| {
            let subject = Subject::of("range", key.into(), end.into());
            policy.records(Request {
                method: place("Range"),
                user: "eve",
                subject: &subject,
            })
        };
        assert!(ask("/secrets/a", "") && ask("/", "\0") && ask("/", "0"));
        assert!(!ask("/pods", ""));
    }

    #[test]
    fn misspelt() {
        let error = Policy::new(
            vec![Rule::default(), rule(true, &[], &["KV/Pot"], &[])],
            true,
        );
        assert_eq!(
            error.unwrap_err().to_string(),
            "rule 2: there is no RPC \"KV/Pot\"; names are like Put, KV/Put or KV/*"
        );
    }
}
