//! A page in miniature: asks the worker, and hears what it says.

use std::{cell::RefCell, rc::Rc};

use guidestar::web::worker::Guidestar;
use js_sys::{Array, ArrayBuffer, JSON, Object, Promise, Reflect, Uint8Array};
use wasm_bindgen::{JsCast, JsValue, prelude::Closure};
use wasm_bindgen_futures::JsFuture;

/// A page with its worker.
pub struct Page {
    worker: Guidestar,
    said: Rc<RefCell<Vec<JsValue>>>,
    heard: usize,
    _post: Closure<dyn FnMut(JsValue, Array)>,
}

impl Page {
    /// A page whose worker has not opened its GPU.
    pub fn new() -> Self {
        let said: Rc<RefCell<Vec<JsValue>>> = Rc::default();
        let heard = said.clone();
        let post = Closure::new(move |message, _: Array| heard.borrow_mut().push(message));
        let function: &JsValue = post.as_ref();
        let location = get(&js_sys::global(), "location");
        let base = format!("{}/models/", text(&location, "origin"));
        Self {
            worker: Guidestar::new(function.clone().unchecked_into(), base),
            said,
            heard: 0,
            _post: post,
        }
    }

    /// A page with an open GPU.
    pub async fn open(precision: &str) -> Self {
        let mut page = Self::new();
        page.ask(&format!(
            r#"{{"type": "open", "precision": "{precision}"}}"#
        ));
        page.hear("opened").await;
        page
    }

    /// Asks with nothing beside the message.
    pub fn ask(&self, message: &str) {
        self.ask_with(message, &[]);
    }

    /// Asks with something beside the message.
    pub fn ask_with(&self, message: &str, beside: &[(&str, &JsValue)]) {
        let message = JSON::parse(message).expect("a message in JSON");
        for (name, value) in beside {
            set(&message, name, value);
        }
        self.worker.receive(&message);
    }

    /// The next thing that is said.
    pub async fn next(&mut self) -> JsValue {
        loop {
            let next = self.said.borrow().get(self.heard).cloned();
            if let Some(next) = next {
                self.heard += 1;
                return next;
            }
            sleep(5).await;
        }
    }

    /// The next thing of a type that is said, whatever else is said before; a failure only when that is what is waited for.
    pub async fn hear(&mut self, kind: &str) -> JsValue {
        loop {
            let next = self.next().await;
            let found = text(&next, "type");
            if found == kind {
                return next;
            }
            assert_ne!(found, "failed", "{}", text(&next, "message"));
            assert_ne!(found, "unavailable", "{}", text(&next, "message"));
        }
    }

    /// The next event of a kind.
    pub async fn hear_event(&mut self, kind: &str) -> JsValue {
        loop {
            let event = get(&self.hear("event").await, "event");
            let found = text(&event, "event");
            if found == kind {
                return event;
            }
            assert_ne!(found, "failed", "{}", text(&event, "message"));
        }
    }

    /// What was said of a type so far.
    pub fn count(&self, kind: &str) -> usize {
        let said = self.said.borrow();
        said.iter()
            .filter(|said| text(said, "type") == kind)
            .count()
    }
}

/// Waits, and lets the worker work.
pub async fn sleep(millis: i32) {
    let promise = Promise::new(&mut |resolve, _| {
        let timer: js_sys::Function = get(&js_sys::global(), "setTimeout").unchecked_into();
        timer
            .call2(&JsValue::NULL, &resolve, &millis.into())
            .expect("a timer");
    });
    JsFuture::from(promise).await.expect("time passes");
}

/// A field.
pub fn get(object: &JsValue, name: &str) -> JsValue {
    Reflect::get(object, &name.into()).unwrap_or_else(|_| panic!("no field {name}"))
}

/// Sets a field.
pub fn set(object: &JsValue, name: &str, value: &JsValue) {
    Reflect::set(object, &name.into(), value).expect("an object of our own");
}

/// A field that is text.
pub fn text(object: &JsValue, name: &str) -> String {
    let found = get(object, name);
    found
        .as_string()
        .unwrap_or_else(|| panic!("{name} is {found:?}, not text"))
}

/// A field that is a whole number.
pub fn number(object: &JsValue, name: &str) -> u64 {
    let found = get(object, name);
    let number = found.as_f64().filter(|number| number.fract() == 0.0);
    number.unwrap_or_else(|| panic!("{name} is {found:?}, no whole number")) as u64
}

/// A field that is bytes.
pub fn bytes(object: &JsValue, name: &str) -> Vec<u8> {
    let buffer: ArrayBuffer = get(object, name).dyn_into().expect("an ArrayBuffer");
    Uint8Array::new(&buffer).to_vec()
}

/// An object as JSON.
pub fn json(object: &JsValue) -> String {
    let object: &Object = object.unchecked_ref();
    String::from(JSON::stringify(object).expect("a plain object"))
}
