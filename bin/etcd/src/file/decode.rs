//! JSON values as values of flags, with the type errors of Go's decoder.

use serde_json::{Map, Value as Json};

use super::settable;
use crate::flags::table::Flag;
use crate::flags::value::{Kind, Value};
use notation::duration::GoDuration;

/// A value that fits its key's type.
pub(super) enum Decoded {
    /// Text that the flag's kind is still to read.
    Text(String),
    /// A value.
    Value(Value),
}

/// A value does not fit its key's type.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot unmarshal {found} into Go {place} of type {wanted}")]
pub(crate) struct TypeError {
    found: String,
    place: String,
    wanted: &'static str,
    /// The keys on the way to the value; empty for the document itself.
    pub(super) path: String,
}

/// Keys that hold keys, with the names of their types.
const STRUCTS: &[(&str, &str)] = &[
    ("client-transport-security", "embed.securityConfig"),
    ("peer-transport-security", "embed.securityConfig"),
    ("socket-options", "transport.SocketOpts"),
    ("discovery-config", "v3discovery.DiscoveryConfig"),
    ("discovery-config.client", "clientv3.ConfigSpec"),
    ("discovery-config.client.secure", "clientv3.SecureConfig"),
    ("discovery-config.client.auth", "clientv3.AuthConfig"),
];

/// Keys of the part of the declaration that holds texts which are read later.
const TEXT_PART: &[&str] = &[
    "listen-peer-urls",
    "listen-client-urls",
    "listen-client-http-urls",
    "initial-advertise-peer-urls",
    "advertise-client-urls",
    "cors",
    "host-whitelist",
    "client-transport-security",
    "peer-transport-security",
    "feature-gates",
];

/// The values of a document that belong to flags, in the order of the sorted keys.
///
/// # Errors
/// The first value that does not fit.
pub(super) fn decode(document: &Json) -> Result<Vec<(&'static Flag, Decoded)>, TypeError> {
    let mut values = Vec::new();
    match document {
        Json::Null => {}
        Json::Object(map) => walk(map, "", &mut values)?,
        other => {
            return Err(TypeError {
                found: describe(other),
                place: "value".to_owned(),
                wanted: "embed.configYAML",
                path: String::new(),
            });
        }
    }
    Ok(values)
}

fn walk(
    map: &Map<String, Json>,
    parent: &str,
    values: &mut Vec<(&'static Flag, Decoded)>,
) -> Result<(), TypeError> {
    let mut keys: Vec<&String> = map.keys().collect();
    keys.sort_unstable();
    for key in keys {
        let value = &map[key];
        let lower = key.to_lowercase();
        let path = if parent.is_empty() {
            lower
        } else {
            format!("{parent}.{lower}")
        };
        if let Some((path, type_name)) = STRUCTS.iter().find(|(known, _)| *known == path) {
            match value {
                Json::Null => {}
                Json::Object(map) => walk(map, path, values)?,
                other => return Err(error(path, other, type_name)),
            }
        } else if let Some((flag, _)) = settable().find(|(_, keys)| keys.join(".") == path)
            && let Some(value) = leaf(flag, &path, value)?
        {
            values.push((flag, value));
        }
    }
    Ok(())
}

fn leaf(flag: &Flag, path: &str, value: &Json) -> Result<Option<Decoded>, TypeError> {
    let unfit = |wanted| error(path, value, wanted);
    let signed = |wanted| value.as_i64().ok_or_else(|| unfit(wanted));
    let unsigned = |wanted| value.as_u64().ok_or_else(|| unfit(wanted));
    if value.is_null() {
        return Ok(None);
    }
    let value = match flag.kind {
        Kind::Bool => Value::Bool(value.as_bool().ok_or_else(|| unfit("bool"))?),
        Kind::Int => Value::Int(signed("int")?),
        Kind::Int64 => Value::Int(signed("int64")?),
        Kind::Uint => Value::Uint(unsigned("uint")?),
        Kind::Uint64 => Value::Uint(unsigned("uint64")?),
        Kind::Uint32 => {
            let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
            Value::Uint(number.ok_or_else(|| unfit("uint32"))?.into())
        }
        Kind::Duration => Value::Duration(GoDuration(signed("time.Duration")?)),
        Kind::List | Kind::Set if flag.name != "host-whitelist" => {
            let items = value.as_array().ok_or_else(|| unfit("[]string"))?;
            let text = |item: &Json| match item {
                Json::String(text) => Ok(text.clone()),
                Json::Null => Ok(String::new()),
                other => Err(error(path, other, "string")),
            };
            Value::List(items.iter().map(text).collect::<Result<_, _>>()?)
        }
        _ => {
            let text = value.as_str().ok_or_else(|| unfit("string"))?;
            return Ok(Some(Decoded::Text(text.to_owned())));
        }
    };
    Ok(Some(Decoded::Value(value)))
}

/// The error of Go's decoder: it names the innermost declaration and the whole way to the key.
fn error(path: &str, value: &Json, wanted: &'static str) -> TypeError {
    let first = path.split('.').next().unwrap_or_default();
    let part = if TEXT_PART.contains(&first) {
        "configJSON"
    } else {
        "Config"
    };
    let parent = path.rsplit_once('.').map_or("", |(parent, _)| parent);
    let declared = STRUCTS.iter().find(|(known, _)| *known == parent);
    let declared = declared.map_or("configYAML", |(_, name)| {
        name.rsplit('.').next().unwrap_or_default()
    });
    TypeError {
        found: describe_for(value, wanted),
        place: format!("struct field {declared}.{part}.{path}"),
        wanted,
        path: path.to_owned(),
    }
}

/// A number that has the wrong form is shown; one that should be something else is not.
fn describe_for(value: &Json, wanted: &str) -> String {
    let numeric = wanted.contains("int") || wanted == "time.Duration";
    match value {
        Json::Number(number) if numeric => format!("number {number}"),
        _ => describe(value),
    }
}

fn describe(value: &Json) -> String {
    let name = match value {
        Json::Null => "null",
        Json::Bool(_) => "bool",
        Json::Number(_) => "number",
        Json::String(_) => "string",
        Json::Array(_) => "array",
        Json::Object(_) => "object",
    };
    name.to_owned()
}
