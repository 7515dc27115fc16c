//! What the browser around the worker offers, which may be little: every part may be missing.

use std::{cell::Cell, io, rc::Rc};

use futures_channel::oneshot;
use js_sys::{Function, Object, Promise, Reflect};
use wasm_bindgen::{JsCast, JsValue, closure::Closure};
use wasm_bindgen_futures::JsFuture;
use web_sys::{FileSystemDirectoryHandle, StorageEstimate, StorageManager};

use super::messages::StorageSaid;

/// A property; nothing when it is not there.
pub fn property(object: &JsValue, name: &str) -> Option<JsValue> {
    let value = Reflect::get(object, &name.into()).ok()?;
    (!value.is_undefined() && !value.is_null()).then_some(value)
}

/// Sets a property of an object that we made.
pub fn set(object: &Object, name: &str, value: &JsValue) {
    // Only a frozen object refuses.
    let _ = Reflect::set(object, &name.into(), value);
}

/// What JavaScript threw, for a chain of causes.
pub fn thrown(value: &JsValue) -> io::Error {
    let text = |name: &str| property(value, name).and_then(|text| text.as_string());
    let message = text("message").or_else(|| value.as_string());
    let message = message.unwrap_or_else(|| "the browser did not say why".to_owned());
    io::Error::other(match text("name") {
        Some(name) if name != "Error" => format!("{name}: {message}"),
        _ => message,
    })
}

/// What kind of error JavaScript threw.
pub fn kind(value: &JsValue) -> String {
    let name = property(value, "name").and_then(|name| name.as_string());
    name.unwrap_or_default()
}

/// Waits for a promise.
pub async fn wait(promise: Promise) -> Result<JsValue, JsValue> {
    JsFuture::from(promise).await
}

/// Milliseconds since the worker began.
pub fn now_secs() -> f64 {
    let clock = property(&js_sys::global(), "performance");
    let now = clock
        .as_ref()
        .and_then(|clock| property(clock, "now")?.dyn_into::<Function>().ok());
    let millis = match (clock, now) {
        (Some(clock), Some(now)) => now.call0(&clock).ok().and_then(|now| now.as_f64()),
        _ => None,
    };
    millis.unwrap_or_else(js_sys::Date::now) / 1000.0
}

/// Lets everything else that waits have its turn, for so many milliseconds.
pub async fn sleep(millis: i32) {
    let promise = Promise::new(&mut |resolve, _| {
        let timer = property(&js_sys::global(), "setTimeout");
        if let Some(Ok(timer)) = timer.map(JsCast::dyn_into::<Function>) {
            let _ = timer.call2(&JsValue::UNDEFINED, &resolve, &millis.into());
        } else {
            let _ = resolve.call0(&JsValue::UNDEFINED);
        }
    });
    // Nothing rejects it.
    let _ = wait(promise).await;
}

fn navigator() -> Option<JsValue> {
    property(&js_sys::global(), "navigator")
}

/// WebGPU, where it is switched on.
pub fn gpu() -> Option<JsValue> {
    property(&navigator()?, "gpu")
}

/// Whether WebGPU offers any adapter.
pub async fn has_adapter() -> bool {
    for fallback in [false, true] {
        let options = Object::new();
        set(&options, "forceFallbackAdapter", &fallback.into());
        let Some(gpu) = gpu() else { return false };
        let Some(Ok(request)) = property(&gpu, "requestAdapter").map(JsCast::dyn_into::<Function>)
        else {
            return false;
        };
        let asked = request
            .call1(&gpu, &options)
            .map(|answer| Promise::resolve(&answer));
        let Ok(answer) = asked else { continue };
        if wait(answer).await.is_ok_and(|adapter| !adapter.is_null()) {
            return true;
        }
    }
    false
}

fn storage() -> Option<StorageManager> {
    property(&navigator()?, "storage").map(JsCast::unchecked_into)
}

/// The folder that is this site's own; nothing where the browser stores nothing, as in some private windows.
pub async fn own_folder() -> Option<FileSystemDirectoryHandle> {
    let storage = storage()?;
    property(&storage, "getDirectory")?;
    let folder = wait(storage.get_directory()).await;
    folder.ok().map(JsCast::unchecked_into)
}

/// Room for what is stored.
pub async fn room() -> Option<StorageSaid> {
    let storage = storage()?;
    let estimate: StorageEstimate = wait(storage.estimate().ok()?).await.ok()?.unchecked_into();
    let persisted = match storage.persisted() {
        Ok(answer) => wait(answer)
            .await
            .is_ok_and(|persisted| persisted.is_truthy()),
        Err(_) => false,
    };
    Some(StorageSaid {
        persisted,
        quota_bytes: estimate.get_quota()? as u64,
        usage_bytes: estimate.get_usage()? as u64,
    })
}

/// How a lock is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// Beside others that only read.
    Shared,
    /// Alone.
    Exclusive,
}

/// A lock among all tabs of this site, until it is dropped.
pub struct Lock {
    release: Rc<Cell<Option<Function>>>,
}

impl Drop for Lock {
    fn drop(&mut self) {
        if let Some(release) = self.release.take() {
            let _ = release.call0(&JsValue::UNDEFINED);
        }
    }
}

/// Takes a lock; nothing when another tab holds it. Without locks in the browser there are no tabs to fear.
pub async fn lock(name: &str, hold: Hold) -> Option<Lock> {
    let release: Rc<Cell<Option<Function>>> = Rc::default();
    let held = Lock {
        release: release.clone(),
    };
    let locks = navigator().and_then(|navigator| property(&navigator, "locks"));
    let request = locks.as_ref().and_then(|locks| property(locks, "request"));
    let (Some(locks), Some(Ok(request))) = (locks, request.map(JsCast::dyn_into::<Function>))
    else {
        return Some(held);
    };
    let options = Object::new();
    set(&options, "ifAvailable", &true.into());
    let mode = if hold == Hold::Shared {
        "shared"
    } else {
        "exclusive"
    };
    set(&options, "mode", &mode.into());
    let (sender, receiver) = oneshot::channel();
    // The browser holds the lock until the promise that this returns is kept.
    let granted = Closure::once_into_js(move |lock: JsValue| -> Promise {
        let is_granted = !lock.is_null();
        let promise = Promise::new(&mut |resolve, _| {
            if is_granted {
                release.set(Some(resolve));
            } else {
                let _ = resolve.call0(&JsValue::UNDEFINED);
            }
        });
        let _ = sender.send(is_granted);
        promise
    });
    request
        .call3(&locks, &name.into(), &options, &granted)
        .ok()?;
    receiver.await.is_ok_and(|granted| granted).then_some(held)
}
