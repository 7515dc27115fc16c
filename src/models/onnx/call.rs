//! A node as its operation sees it: inputs, settings, and what it made of its weights before.

use std::{cell::RefCell, collections::HashMap, rc::Rc};

use super::{
    constant::Constant,
    fault::{Fallible, need, wrong},
    graph::Node,
    host,
    proto::{self, kind},
    value::Value,
};
use crate::tensor::Device;

/// Tensors that nodes made of their weights, by node and purpose: made once, because plans know weights by identity.
pub type Derived = RefCell<HashMap<(usize, &'static str), Rc<Constant>>>;

/// A node as its operation sees it.
pub struct Call<'a> {
    /// The node.
    pub node: &'a Node,
    /// Version of the operators.
    pub opset: i64,
    /// Where to compute.
    pub device: &'a Device,
    /// The values that flow in, in the node's order; nothing where it leaves an optional one out.
    pub inputs: Vec<Option<Value>>,
    /// What nodes made of their weights before.
    pub derived: &'a Derived,
}

impl Call<'_> {
    /// An input that has to be there.
    pub fn input(&self, index: usize) -> Fallible<&Value> {
        match self.inputs.get(index).and_then(Option::as_ref) {
            Some(value) => Ok(value),
            None => wrong(format!("lacks its input {index}")),
        }
    }

    /// An input that may be left out.
    pub fn optional(&self, index: usize) -> Option<&Value> {
        self.inputs.get(index).and_then(Option::as_ref)
    }

    /// All inputs.
    pub fn all(&self) -> Fallible<Vec<Value>> {
        need(!self.inputs.is_empty(), || "has no inputs".to_owned())?;
        (0..self.inputs.len())
            .map(|index| self.input(index).cloned())
            .collect()
    }

    /// An input whose numbers have to be known before there is a picture, when it is there.
    pub fn known(&self, index: usize, what: &str) -> Fallible<Option<&Constant>> {
        match self.optional(index) {
            None => Ok(None),
            Some(Value::Known(constant)) => Ok(Some(constant)),
            Some(Value::Computed(_)) => wrong(format!(
                "has {what} that depend on the picture; they must be known before"
            )),
        }
    }

    /// Whole numbers that stand in an attribute, or come as an input since a later version.
    pub fn ints(&self, name: &str, index: usize) -> Fallible<Option<Vec<i64>>> {
        if let Some(ints) = self.int_list(name)? {
            return Ok(Some(ints.to_vec()));
        }
        match self.known(index, name)? {
            Some(constant) => Ok(Some(constant.ints()?.to_vec())),
            None => Ok(None),
        }
    }

    /// Axes of a tensor, from an attribute or an input.
    pub fn axes(&self, name: &str, index: usize, rank: usize) -> Fallible<Option<Vec<usize>>> {
        let Some(axes) = self.ints(name, index)? else {
            return Ok(None);
        };
        let mut axes = axes
            .into_iter()
            .map(|axis| host::axis(axis, rank))
            .collect::<Fallible<Vec<_>>>()?;
        axes.sort_unstable();
        axes.dedup();
        Ok(Some(axes))
    }

    /// One axis of a tensor, from an attribute.
    pub fn axis(&self, default: i64, rank: usize) -> Fallible<usize> {
        host::axis(self.int("axis", default)?, rank)
    }

    fn attribute(&self, name: &str, wanted: i32) -> Fallible<Option<&proto::Attribute>> {
        let attributes = self.node.attributes.iter();
        let Some(found) = attributes.rev().find(|attribute| attribute.name == name) else {
            return Ok(None);
        };
        // Very old files do not say the type.
        need(found.r#type == wanted || found.r#type == 0, || {
            format!("has an attribute {name:?} of another type than it should be")
        })?;
        Ok(Some(found))
    }

    /// A whole number that is set, or else its default.
    pub fn int(&self, name: &str, default: i64) -> Fallible<i64> {
        let found = self.attribute(name, kind::INT)?;
        Ok(found.map_or(default, |attribute| attribute.i))
    }

    /// Whether a flag is set.
    pub fn flag(&self, name: &str, default: bool) -> Fallible<bool> {
        Ok(self.int(name, i64::from(default))? != 0)
    }

    /// A real number that is set, or else its default.
    pub fn float(&self, name: &str, default: f64) -> Fallible<f64> {
        let found = self.attribute(name, kind::FLOAT)?;
        Ok(found.map_or(default, |attribute| f64::from(attribute.f)))
    }

    /// Whole numbers that are set.
    pub fn int_list(&self, name: &str) -> Fallible<Option<&[i64]>> {
        let found = self.attribute(name, kind::INTS)?;
        Ok(found.map(|attribute| &attribute.ints[..]))
    }

    /// Whole numbers that are set, none of them negative.
    pub fn sizes(&self, name: &str) -> Fallible<Option<Vec<usize>>> {
        let Some(ints) = self.int_list(name)? else {
            return Ok(None);
        };
        let sizes: Option<Vec<usize>> = ints.iter().map(|&x| usize::try_from(x).ok()).collect();
        match sizes {
            Some(sizes) if sizes.iter().all(|&size| size <= MOST_OF_A_SIZE) => Ok(Some(sizes)),
            _ => wrong(format!("has {name} of {ints:?}")),
        }
    }

    /// Real numbers that are set.
    pub fn float_list(&self, name: &str) -> Fallible<Option<&[f32]>> {
        let found = self.attribute(name, kind::FLOATS)?;
        Ok(found.map(|attribute| &attribute.floats[..]))
    }

    /// A word that is set, or else its default.
    pub fn word<'a>(&'a self, name: &str, default: &'a str) -> Fallible<&'a str> {
        match self.attribute(name, kind::STRING)? {
            None => Ok(default),
            Some(attribute) => match std::str::from_utf8(&attribute.s) {
                Ok(word) => Ok(word),
                Err(_) => wrong(format!("has an attribute {name:?} that is no text")),
            },
        }
    }

    /// A tensor that is set.
    pub fn tensor(&self, name: &str) -> Fallible<Option<Constant>> {
        let found = self.attribute(name, kind::TENSOR)?;
        let tensor = found.and_then(|attribute| attribute.t.as_ref());
        tensor.map(Constant::read).transpose()
    }

    /// A number to compute with, by its purpose.
    pub fn number(&self, purpose: &'static str, number: f64) -> Fallible<Value> {
        self.derive(purpose, || {
            Ok(Constant::floats(Vec::new(), vec![number as f32]))
        })
    }

    /// Something made of what is known, made once.
    pub fn derive(
        &self,
        purpose: &'static str,
        make: impl FnOnce() -> Fallible<Constant>,
    ) -> Fallible<Value> {
        let key = (self.node.index, purpose);
        if let Some(constant) = self.derived.borrow().get(&key) {
            return Ok(Value::Known(constant.clone()));
        }
        let constant = Rc::new(make()?);
        self.derived.borrow_mut().insert(key, constant.clone());
        Ok(Value::Known(constant))
    }
}

/// Far beyond any kernel, border or stride.
const MOST_OF_A_SIZE: usize = 1 << 16;
