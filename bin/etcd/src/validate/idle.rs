//! Flags that change nothing here.

use crate::flags::settings::{Settings, default};
use crate::flags::table::{self, Effect};
use crate::flags::value::Value;
use crate::logging::Logger;
use crate::logging::field::fields;
use notation::url::Url;

/// Says which of the values that were set change nothing.
pub(super) fn mention(settings: &Settings, log: &Logger) {
    for flag in table::all() {
        let value = settings.get(flag.name);
        if let Effect::None(reason) = flag.effect
            && *value != default(flag)
        {
            let fields = fields!["flag" => flag.name, "value" => text(value), "reason" => reason];
            log.info("a flag is taken but has no effect", fields);
        }
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::Text(text) => text.clone(),
        Value::Bool(on) => on.to_string(),
        Value::Int(number) => number.to_string(),
        Value::Uint(number) => number.to_string(),
        Value::Duration(duration) => duration.to_string(),
        Value::List(words) => words.join(","),
        Value::Urls(urls) => {
            let urls: Vec<String> = urls.iter().map(Url::to_string).collect();
            urls.join(",")
        }
        Value::Gates(gates) => gates.named(),
    }
}
