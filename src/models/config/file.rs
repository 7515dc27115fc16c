//! Reads diffusers' config.json files, refusing what the networks here do not do.

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use crate::error::{Error, Result};

/// A config's known settings, and everything else that stands in the file.
#[derive(Deserialize)]
struct File<T> {
    #[serde(flatten)]
    settings: T,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

/// Reads the settings of a network.
///
/// A key that `T` does not know is refused unless its value changes nothing: null, false, or the one that `neutral`
/// gives (every value where that is null, for settings of training alone).
///
/// # Errors
/// When it is not JSON, a value is of the wrong kind, or a setting asks for something that is not done here.
pub fn read<T: DeserializeOwned>(place: &str, json: &str, neutral: &[(&str, Value)]) -> Result<T> {
    let File { settings, rest } = serde_json::from_str(json)
        .map_err(|error| refusal(place, format!("this is not a config that fits: {error}")))?;
    for (key, value) in &rest {
        let allowed = neutral.iter().find(|(name, _)| name == key);
        let harmless = key.starts_with('_')
            || matches!(value, Value::Null | Value::Bool(false))
            || allowed.is_some_and(|(_, only)| only.is_null() || same(only, value));
        if !harmless {
            return Err(unsupported(place, key, value));
        }
    }
    Ok(settings)
}

/// 1 and 1.0 are the same setting.
fn same(a: &Value, b: &Value) -> bool {
    match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => a.total_cmp(&b).is_eq(),
        _ => a == b,
    }
}

/// A setting that the networks here do not do.
pub fn unsupported(place: &str, key: &str, value: &Value) -> Error {
    refusal(
        place,
        format!(
            "the setting {key:?} is {value}, and only networks laid out like Stable Diffusion 1.x run here"
        ),
    )
}

/// Something wrong with the file at `place`.
pub fn refusal(place: &str, problem: String) -> Error {
    Error::Weights {
        place: place.to_owned(),
        problem,
    }
}
