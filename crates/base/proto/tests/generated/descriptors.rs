//! The tables of `proto::descriptor`: every message that a method takes or answers.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorSet};

/// All messages and enums by their full names, `.package.Message`.
#[derive(Default)]
struct Types<'a> {
    messages: BTreeMap<String, &'a DescriptorProto>,
    enums: BTreeMap<String, &'a EnumDescriptorProto>,
}

impl<'a> Types<'a> {
    fn add(&mut self, scope: &str, message: &'a DescriptorProto) {
        let name = format!("{scope}.{}", message.name());
        for nested in &message.nested_type {
            self.add(&name, nested);
        }
        for described in &message.enum_type {
            self.enums
                .insert(format!("{name}.{}", described.name()), described);
        }
        self.messages.insert(name, message);
    }
}

/// The text of the generated file.
pub(crate) fn table(descriptors: &FileDescriptorSet) -> String {
    let mut types = Types::default();
    let mut signatures = Vec::new();
    for file in &descriptors.file {
        let scope = format!(".{}", file.package());
        for message in &file.message_type {
            types.add(&scope, message);
        }
        for described in &file.enum_type {
            types
                .enums
                .insert(format!("{scope}.{}", described.name()), described);
        }
        let methods = file.service.iter().flat_map(|service| &service.method);
        signatures.extend(methods.map(|method| (method.input_type(), method.output_type())));
    }
    let mut text = String::from("// This file is generated from the `.proto` files.\n");
    let count = signatures.len();
    writeln!(text, "pub static SIGNATURES: [Signature; {count}] = [").unwrap();
    let mut wanted = BTreeSet::new();
    for (request, answer) in signatures {
        let (request_name, answer_name) = (constant(request), constant(answer));
        writeln!(
            text,
            "    Signature {{ request: &{request_name}, answer: &{answer_name} }},"
        )
        .unwrap();
        wanted.extend([request.to_owned(), answer.to_owned()]);
    }
    text.push_str("];\n");
    let mut written = BTreeSet::new();
    while let Some(name) = wanted.pop_first() {
        if written.insert(name.clone()) {
            match types.messages.get(&name) {
                Some(message) => write_message(&mut text, &name, message, &mut wanted),
                None => write_enum(&mut text, &name, types.enums[&name]),
            }
        }
    }
    text
}

fn write_message(
    text: &mut String,
    name: &str,
    message: &DescriptorProto,
    wanted: &mut BTreeSet<String>,
) {
    let (constant, full) = (constant(name), &name[1..]);
    writeln!(
        text,
        "static {constant}: Message = Message {{ name: \"{full}\", fields: &["
    )
    .unwrap();
    for field in &message.field {
        if !field.type_name().is_empty() {
            wanted.insert(field.type_name().to_owned());
        }
        writeln!(
            text,
            "    Field {{ name: \"{}\", json_name: \"{}\", number: {}, kind: {}, repeated: {}, oneof: {:?} }},",
            field.name(),
            field.json_name(),
            field.number(),
            kind(field),
            field.label() == Label::Repeated,
            field.oneof_index,
        )
        .unwrap();
    }
    text.push_str("] };\n");
}

fn write_enum(text: &mut String, name: &str, described: &EnumDescriptorProto) {
    let (constant, full) = (constant(name), &name[1..]);
    let values: Vec<String> = described
        .value
        .iter()
        .map(|value| format!("(\"{}\", {})", value.name(), value.number()))
        .collect();
    writeln!(
        text,
        "static {constant}: Enum = Enum {{ name: \"{full}\", values: &[{}] }};",
        values.join(", ")
    )
    .unwrap();
}

fn kind(field: &FieldDescriptorProto) -> String {
    let name = match field.r#type() {
        Type::Bool => "Bool",
        Type::Int32 => "Int32",
        Type::Int64 => "Int64",
        Type::Uint32 => "Uint32",
        Type::Uint64 => "Uint64",
        Type::Bytes => "Bytes",
        Type::String => "Text",
        Type::Enum => return format!("Kind::Enum(&{})", constant(field.type_name())),
        Type::Message => return format!("Kind::Message(&{})", constant(field.type_name())),
        other => panic!("{} is of a kind that has no table: {other:?}", field.name()),
    };
    format!("Kind::{name}")
}

/// `.etcdserverpb.Compare.CompareResult` as the name of a constant.
fn constant(name: &str) -> String {
    name[1..].replace('.', "_").to_uppercase()
}
