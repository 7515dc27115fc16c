//! What can be wrong with a node, before it is known which node and which file it is.

use crate::error::Error;

/// What is wrong.
#[derive(Debug)]
pub enum Fault {
    /// With the graph, in words that follow the node's name.
    Graph(String),
    /// With something else: the device has no room, or was lost.
    Other(Error),
}

/// A result before it is known which node it belongs to.
pub type Fallible<T> = std::result::Result<T, Fault>;

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

impl From<String> for Fault {
    fn from(text: String) -> Self {
        Self::Graph(text)
    }
}

/// Fails with these words.
pub fn wrong<T>(text: impl Into<String>) -> Fallible<T> {
    Err(Fault::Graph(text.into()))
}

/// Fails with these words unless the condition holds.
pub fn need(condition: bool, text: impl FnOnce() -> String) -> Fallible<()> {
    if condition {
        Ok(())
    } else {
        Err(Fault::Graph(text()))
    }
}

/// More numbers than any tensor of a network for pictures has.
const MOST_ELEMENTS: usize = 1 << 30;

/// How many numbers a shape holds, when that is no more than anybody could want.
pub fn elements(dims: &[usize]) -> Fallible<usize> {
    // An axis of extent 0 must not hide that the others are absurd.
    let product = dims
        .iter()
        .try_fold(1_usize, |product, &dim| product.checked_mul(dim.max(1)));
    match product {
        Some(product) if product <= MOST_ELEMENTS => Ok(dims.iter().product()),
        _ => wrong(format!(
            "makes a tensor {dims:?}, which no device could hold"
        )),
    }
}
