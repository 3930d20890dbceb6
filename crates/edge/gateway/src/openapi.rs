//! The API described for tools: an OpenAPI document made from the tables of the messages.

use std::collections::BTreeMap;

use proto::descriptor::{Enum, Field, Kind, Message};
use serde_json::{Map, Value, json};

use crate::routes::{self, Route};

/// The document as it is published and served; a test keeps it fresh.
pub const DOCUMENT: &str = include_str!("../openapi.json");

/// The document, made anew.
#[must_use]
pub fn document() -> String {
    let mut schemas = Schemas::default();
    let paths: Map<String, Value> = routes::all()
        .iter()
        .map(|route| {
            (
                route.path.to_owned(),
                json!({ "post": operation(route, &mut schemas) }),
            )
        })
        .collect();
    let document = json!({
        "openapi": "3.0.3",
        "info": {
            "title": "etcd v3 API as JSON",
            "version": proto::limits::SERVER_VERSION,
            "description": "Keys and values are base64; 64-bit numbers are strings. A streaming method \
                answers one JSON object a line, {\"result\": …} or at last {\"error\": …}.",
        },
        "security": [{}, { "token": [] }],
        "paths": paths,
        "components": {
            "schemas": schemas.finish(),
            "securitySchemes": {
                "token": { "type": "apiKey", "in": "header", "name": "Authorization" },
            },
        },
    });
    format!("{document:#}\n")
}

fn operation(route: &'static Route, schemas: &mut Schemas) -> Value {
    let request = schemas.reference(route.request);
    let answer = schemas.reference(route.answer);
    let service = route.service.rsplit('.').next().unwrap_or_default();
    let answer = match route.server_streaming {
        false => answer,
        true => json!({
            "type": "object",
            "description": "One of many lines.",
            "properties": {
                "result": answer,
                "error": { "$ref": "#/components/schemas/Error" },
            },
        }),
    };
    let content = |schema: Value| json!({ "application/json": { "schema": schema } });
    // Two paths may lead to one method: the path tells them apart.
    let id = route
        .path
        .trim_start_matches("/v3/")
        .replace(['/', '-'], "_");
    json!({
        "operationId": id,
        "summary": format!("{service}.{}", route.method),
        "tags": [service],
        "requestBody": { "required": true, "content": content(request) },
        "responses": {
            "200": { "description": "The answer.", "content": content(answer) },
            "default": {
                "description": "The call was refused or failed.",
                "content": content(json!({ "$ref": "#/components/schemas/Error" })),
            },
        },
    })
}

/// The messages that have been referred to.
#[derive(Default)]
struct Schemas {
    done: BTreeMap<&'static str, Value>,
    wanted: Vec<&'static Message>,
}

impl Schemas {
    fn reference(&mut self, message: &'static Message) -> Value {
        if !self.done.contains_key(message.name) {
            self.done.insert(message.name, Value::Null);
            self.wanted.push(message);
        }
        json!({ "$ref": format!("#/components/schemas/{}", message.name) })
    }

    fn finish(mut self) -> Map<String, Value> {
        while let Some(message) = self.wanted.pop() {
            let properties: Map<String, Value> = message
                .fields
                .iter()
                .map(|field| (field.name.to_owned(), self.field(field)))
                .collect();
            let schema = json!({ "type": "object", "properties": properties });
            self.done.insert(message.name, schema);
        }
        let error = json!({
            "type": "object",
            "properties": {
                "code": { "type": "integer", "description": "The gRPC code." },
                "message": { "type": "string" },
            },
        });
        let named = self.done.into_iter();
        named
            .map(|(name, schema)| (name.to_owned(), schema))
            .chain([("Error".to_owned(), error)])
            .collect()
    }

    fn field(&mut self, field: &'static Field) -> Value {
        let item = match field.kind {
            Kind::Bool => json!({ "type": "boolean" }),
            Kind::Int32 => json!({ "type": "integer", "format": "int32" }),
            Kind::Uint32 => json!({ "type": "integer", "format": "int64" }),
            Kind::Int64 => json!({ "type": "string", "format": "int64" }),
            Kind::Uint64 => json!({ "type": "string", "format": "uint64" }),
            Kind::Bytes => json!({ "type": "string", "format": "byte" }),
            Kind::Text => json!({ "type": "string" }),
            Kind::Enum(Enum { values, .. }) => {
                let names: Vec<&str> = values.iter().map(|(name, _)| *name).collect();
                json!({ "type": "string", "enum": names })
            }
            Kind::Message(message) => self.reference(message),
        };
        match field.repeated {
            true => json!({ "type": "array", "items": item }),
            false => item,
        }
    }
}
