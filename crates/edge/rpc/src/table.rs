//! From a request's path to its method.

use std::collections::HashMap;

use foldhash::fast::FixedState;
use proto::{Method, error::Code};

use crate::{call::MethodId, status::Status};

/// The registered methods by path; built once per thread.
pub(crate) struct Table {
    methods: &'static [Method],
    by_path: HashMap<Box<str>, MethodId, FixedState>,
}

impl Table {
    pub(crate) fn new(methods: &'static [Method]) -> Self {
        let by_path = methods
            .iter()
            .zip(0..)
            .map(|(method, id)| {
                let path = format!("/{}/{}", method.service, method.name);
                (path.into_boxed_str(), MethodId(id))
            })
            .collect();
        Self { methods, by_path }
    }

    pub(crate) fn method(&self, id: MethodId) -> &'static Method {
        &self.methods[usize::from(id.0)]
    }

    /// Finds the method of a path without allocating.
    pub(crate) fn find(&self, path: &str) -> Result<MethodId, Status> {
        match self.by_path.get(path) {
            Some(id) => Ok(*id),
            None => Err(self.unknown(path)),
        }
    }

    /// Go's wording of the three ways in which a path can be wrong.
    fn unknown(&self, path: &str) -> Status {
        let trimmed = path.strip_prefix('/').unwrap_or(path);
        let message = match trimmed.rsplit_once('/') {
            None => format!("malformed method name: {path:?}"),
            Some((service, name)) if self.methods.iter().any(|m| m.service == service) => {
                format!("unknown method {name} for service {service}")
            }
            Some((service, _)) => format!("unknown service {service}"),
        };
        Status::new(Code::Unimplemented, message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Clients probe for features by these texts.
    #[test]
    fn paths() {
        let table = Table::new(&proto::METHODS);
        for (method, id) in proto::METHODS.iter().zip(0..) {
            let path = format!("/{}/{}", method.service, method.name);
            assert_eq!(table.find(&path), Ok(MethodId(id)));
            assert_eq!(table.method(MethodId(id)), method);
        }
        for (path, text) in [
            (
                "/etcdserverpb.KV/X",
                "unknown method X for service etcdserverpb.KV",
            ),
            ("/no.Such/Range", "unknown service no.Such"),
            ("/Range", "malformed method name: \"/Range\""),
        ] {
            let status = table.find(path).unwrap_err();
            assert_eq!(status, Status::new(Code::Unimplemented, text));
        }
    }
}
