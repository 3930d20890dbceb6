//! Each kind of value as a visitor that writes what it sees.

use std::fmt;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use proto::descriptor::{Enum, Field, Kind, Message};
use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use wire::put_varint;

use super::DEPTH_MAX;
use super::number::{self, Number};

/// Bytes may come with padding or without, and need not end cleanly.
const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

/// A message: a JSON object.
pub(super) struct MessageSeed<'a> {
    described: &'static Message,
    out: &'a mut Vec<u8>,
    depth: usize,
}

impl<'a> MessageSeed<'a> {
    pub(super) fn new(described: &'static Message, out: &'a mut Vec<u8>) -> Self {
        Self {
            described,
            out,
            depth: DEPTH_MAX,
        }
    }
}

impl<'de> DeserializeSeed<'de> for MessageSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        if self.depth == 0 {
            return Err(D::Error::custom("exceeded max recursion depth"));
        }
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for MessageSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object ({})", self.described.name)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut seen = Seen::default();
        while let Some(place) = map.next_key_seed(FieldName(self.described))? {
            let Some(place) = place else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            let field = &self.described.fields[place];
            let seed = FieldSeed {
                field,
                out: self.out,
                depth: self.depth,
            };
            let is_set = map.next_value_seed(seed)?;
            if is_set {
                seen.add(place, field)?;
            }
        }
        Ok(())
    }
}

/// The fields of one object that have been set.
#[derive(Default)]
struct Seen {
    fields: u64,
    groups: u64,
}

impl Seen {
    fn add<E: Error>(&mut self, place: usize, field: &Field) -> Result<(), E> {
        if !mark(&mut self.fields, place) {
            return Err(E::custom(format_args!("duplicate field {:?}", field.name)));
        }
        if let Some(group) = field.oneof
            && !mark(&mut self.groups, usize::from(group))
        {
            let name = field.name;
            return Err(E::custom(format_args!(
                "error parsing {name:?}, another field of its oneof is already set"
            )));
        }
        Ok(())
    }
}

/// Whether the bit was not set before; no message of the API has more fields than bits.
fn mark(set: &mut u64, place: usize) -> bool {
    let bit = 1_u64 << (place % 64);
    let is_new = *set & bit == 0;
    *set |= bit;
    is_new
}

/// The place of the field that a name means.
struct FieldName(&'static Message);

impl<'de> DeserializeSeed<'de> for FieldName {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Option<usize>, D::Error> {
        json.deserialize_str(self)
    }
}

impl Visitor<'_> for FieldName {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Option<usize>, E> {
        let fields = self.0.fields.iter();
        Ok(fields
            .clone()
            .position(|field| field.json_name == name)
            .or_else(|| self.0.fields.iter().position(|field| field.name == name)))
    }
}

/// The value of a field; the answer is whether it sets the field.
struct FieldSeed<'a> {
    field: &'static Field,
    out: &'a mut Vec<u8>,
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for FieldSeed<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<bool, D::Error> {
        json.deserialize_option(self)
    }
}

impl<'de> Visitor<'de> for FieldSeed<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a value of {}", self.field.name)
    }

    fn visit_none<E: Error>(self) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_unit<E: Error>(self) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_some<D: Deserializer<'de>>(self, json: D) -> Result<bool, D::Error> {
        let item = ItemSeed {
            field: self.field,
            out: self.out,
            depth: self.depth,
        };
        if self.field.repeated {
            json.deserialize_seq(Items(item))?;
        } else {
            item.deserialize(json)?;
        }
        Ok(true)
    }
}

/// The values of a repeated field.
struct Items<'a>(ItemSeed<'a>);

impl<'de> Visitor<'de> for Items<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an array of {}", self.0.field.name)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let ItemSeed { field, out, depth } = self.0;
        while items
            .next_element_seed(ItemSeed {
                field,
                out: &mut *out,
                depth,
            })?
            .is_some()
        {}
        Ok(())
    }
}

/// One value, which is written with its tag.
struct ItemSeed<'a> {
    field: &'static Field,
    out: &'a mut Vec<u8>,
    depth: usize,
}

impl ItemSeed<'_> {
    /// Whether a zero has to be written as well.
    fn is_explicit(&self) -> bool {
        self.field.repeated || self.field.oneof.is_some()
    }

    fn number(&mut self, value: u64) {
        if value != 0 || self.is_explicit() {
            put_varint(self.out, u64::from(self.field.number) << 3);
            put_varint(self.out, value);
        }
    }

    fn bytes(&mut self, value: &[u8]) {
        if !value.is_empty() || self.is_explicit() {
            self.write_bytes(value);
        }
    }

    fn write_bytes(&mut self, value: &[u8]) {
        put_varint(self.out, u64::from(self.field.number) << 3 | 2);
        put_varint(self.out, value.len() as u64);
        self.out.extend_from_slice(value);
    }
}

impl<'de> DeserializeSeed<'de> for ItemSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(mut self, json: D) -> Result<(), D::Error> {
        match self.field.kind {
            Kind::Message(described) => {
                let mut inner = Vec::new();
                let seed = MessageSeed {
                    described,
                    out: &mut inner,
                    depth: self.depth - 1,
                };
                seed.deserialize(json)?;
                self.write_bytes(&inner);
                Ok(())
            }
            Kind::Bool => json.deserialize_bool(self),
            Kind::Bytes | Kind::Text => json.deserialize_str(self),
            _ => json.deserialize_any(self),
        }
    }
}

impl Visitor<'_> for ItemSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} for {}", self.field.kind, self.field.name)
    }

    fn visit_bool<E: Error>(mut self, value: bool) -> Result<(), E> {
        match self.field.kind {
            Kind::Bool => {
                self.number(u64::from(value));
                Ok(())
            }
            _ => Err(wrong(self.field, value)),
        }
    }

    fn visit_str<E: Error>(mut self, value: &str) -> Result<(), E> {
        match self.field.kind {
            Kind::Text => self.bytes(value.as_bytes()),
            Kind::Bytes => {
                let bytes = base64(value).ok_or_else(|| wrong(self.field, value))?;
                self.bytes(&bytes);
            }
            Kind::Enum(described) => {
                // A name that is not known says nothing.
                if let Some(known) = by_name(described, value) {
                    self.number(sign_extended(known));
                }
            }
            kind => {
                let number = number::of_text(value).and_then(|number| fitting(kind, number));
                self.number(number.ok_or_else(|| wrong(self.field, value))?);
            }
        }
        Ok(())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.visit_number(Number::from(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.visit_number(Number::from(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        match number::of_float(value) {
            Some(number) => self.visit_number(number),
            None => Err(wrong(self.field, value)),
        }
    }
}

impl ItemSeed<'_> {
    fn visit_number<E: Error>(mut self, value: Number) -> Result<(), E> {
        match fitting(self.field.kind, value) {
            Some(number) => {
                self.number(number);
                Ok(())
            }
            None => Err(wrong(self.field, value)),
        }
    }
}

/// A number as it is on the wire, if it is one of the kind.
fn fitting(kind: Kind, number: Number) -> Option<u64> {
    match kind {
        Kind::Int64 => i64::try_from(number).ok().map(i64::cast_unsigned),
        Kind::Uint64 => u64::try_from(number).ok(),
        Kind::Uint32 => u32::try_from(number).ok().map(u64::from),
        Kind::Int32 | Kind::Enum(_) => i32::try_from(number).ok().map(sign_extended),
        Kind::Bool | Kind::Bytes | Kind::Text | Kind::Message(_) => None,
    }
}

fn sign_extended(number: i32) -> u64 {
    i64::from(number).cast_unsigned()
}

fn by_name(described: &Enum, name: &str) -> Option<i32> {
    let values = described.values.iter();
    values
        .clone()
        .find(|(known, _)| *known == name)
        .map(|(_, number)| *number)
}

/// Bytes in either alphabet.
fn base64(text: &str) -> Option<Vec<u8>> {
    let engine = match text.contains(['-', '_']) {
        true => &URL_SAFE,
        false => &STANDARD,
    };
    if text.contains(['\r', '\n']) {
        return engine.decode(text.replace(['\r', '\n'], "")).ok();
    }
    engine.decode(text).ok()
}

fn wrong<E: Error>(field: &Field, value: impl fmt::Debug) -> E {
    let (kind, name) = (field.kind, field.name);
    // A value may be long, or a password.
    let _ = value;
    E::custom(format_args!("invalid value for {kind:?} field {name}"))
}
