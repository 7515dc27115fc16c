//! The worker's end of the line: messages to and from plain objects.

use js_sys::{Array, ArrayBuffer, Function, JSON, Object, Uint8Array};
use serde_json::Value;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::File;

use super::{
    browser::{property, set},
    messages::{Asked, Said},
};
use crate::{
    error::{Error, Result},
    picture::Picture,
    session::Event,
};

/// The page's name for what it asked.
pub type Id = Option<f64>;

/// A message from the page, with what JSON cannot hold.
pub struct Received {
    /// The page's name for it.
    pub id: Id,
    /// What is asked.
    pub asked: Asked,
    /// Files by their paths, when any came along.
    pub files: Vec<(String, File)>,
    /// Bytes, when any came along.
    pub bytes: Vec<u8>,
}

/// The largest whole number that JavaScript tells from its neighbours.
const LARGEST_SAFE: u64 = (1 << 53) - 1;

/// Where whole numbers stand that may be beyond it.
const SEEDS: [&str; 2] = ["/job/seed", "/job/edit/source/seed"];

/// What JSON cannot hold.
const BESIDE: [&str; 2] = ["files", "bytes"];

/// The page's name for a message, whatever else it is.
pub fn id(message: &JsValue) -> Id {
    property(message, "id").and_then(|id| id.as_f64())
}

/// Reads a message from the page.
///
/// # Errors
/// When it is none that the worker knows.
pub fn receive(message: &JsValue) -> Result<Received> {
    let wrong = |problem: String| Error::Request(format!("the page sent no message: {problem}"));
    let object = message
        .dyn_ref::<Object>()
        .ok_or_else(|| wrong("it is no object".to_owned()))?;
    let plain = Object::assign(&Object::new(), object);
    for name in BESIDE {
        let _ = js_sys::Reflect::delete_property(&plain, &name.into());
    }
    let text = JSON::stringify(&plain).map_err(|_| wrong("it has no JSON".to_owned()))?;
    let mut value: Value =
        serde_json::from_str(&String::from(text)).map_err(|error| wrong(error.to_string()))?;
    for place in SEEDS {
        if let Some(seed) = value.pointer_mut(place)
            && let Some(digits) = seed.as_str().and_then(|digits| digits.parse::<u64>().ok())
        {
            *seed = digits.into();
        }
    }
    let asked = serde_json::from_value(value).map_err(|error| wrong(error.to_string()))?;
    let bytes = property(message, "bytes").and_then(|bytes| bytes.dyn_into::<ArrayBuffer>().ok());
    Ok(Received {
        id: id(message),
        asked,
        files: property(message, "files").map_or_else(Vec::new, |files| named(&files)),
        bytes: bytes.map_or_else(Vec::new, |bytes| Uint8Array::new(&bytes).to_vec()),
    })
}

/// Files with their paths inside the folder that was chosen.
fn named(files: &JsValue) -> Vec<(String, File)> {
    let files = Array::from(files);
    let named = files.iter().filter_map(|entry| {
        let text = |of: &JsValue, name: &str| {
            let text = property(of, name)?.as_string()?;
            (!text.is_empty()).then_some(text)
        };
        let path = text(&entry, "path");
        let file = property(&entry, "file").unwrap_or(entry);
        let path = path.or_else(|| text(&file, "webkitRelativePath"));
        let path = path.or_else(|| text(&file, "name"))?;
        // A file of another realm is none of this one's `File`, and as good.
        property(&file, "arrayBuffer")?;
        Some((path, file.unchecked_into()))
    });
    named.collect()
}

/// Where answers go.
pub struct Port(Function);

impl Port {
    /// Answers through a function of a message and an array of what to transfer with it.
    pub fn new(post: Function) -> Self {
        Self(post)
    }

    /// Answers.
    pub fn say(&self, id: Id, said: &Said) {
        self.say_with(id, said, &[]);
    }

    /// Tells of an error and its causes.
    pub fn fail(&self, id: Id, error: &Error) {
        let (message, causes) = super::words::of(error);
        self.say(id, &Said::Failed { message, causes });
    }

    /// Tells what happens during a job.
    pub fn event(&self, id: Id, event: Event) {
        self.say(id, &Said::Event { event });
    }

    /// Answers with bytes beside the message.
    pub fn say_with(&self, id: Id, said: &Said, beside: &[(&str, &[u8])]) {
        let message = object(said);
        if let Some(id) = id {
            set(&message, "id", &id.into());
        }
        let transfer = Array::new();
        for (name, bytes) in beside {
            let buffer = Uint8Array::from(*bytes).buffer();
            set(&message, name, &buffer);
            transfer.push(&buffer);
        }
        if let Err(error) = self.0.call2(&JsValue::UNDEFINED, &message, &transfer) {
            log::error!(
                "an answer was not taken: {}",
                super::browser::thrown(&error)
            );
        }
    }
}

fn object(said: &Said) -> Object {
    let value = serde_json::to_value(said).expect("what is said is strings and numbers");
    let text = safe(value).to_string();
    let parsed = JSON::parse(&text).expect("serde writes JSON");
    parsed.unchecked_into()
}

/// Writes numbers that JavaScript would round as strings.
fn safe(value: Value) -> Value {
    match value {
        Value::Number(number) if number.as_u64().is_some_and(|n| n > LARGEST_SAFE) => {
            Value::String(number.to_string())
        }
        Value::Array(values) => values.into_iter().map(safe).collect(),
        Value::Object(fields) => {
            let fields = fields.into_iter();
            Value::Object(fields.map(|(name, value)| (name, safe(value))).collect())
        }
        other => other,
    }
}

/// A picture as a canvas takes it.
pub fn rgba(picture: &Picture) -> Vec<u8> {
    let (pixels, _) = picture.rgb().as_chunks::<3>();
    pixels
        .iter()
        .flat_map(|&[r, g, b]| [r, g, b, 255])
        .collect()
}
