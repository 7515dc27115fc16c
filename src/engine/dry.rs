//! An engine without numbers: shapes go through it and nothing is stored.
//!
//! Models are built on it to learn which weights they need, before a byte of a checkpoint is read.

use std::rc::Rc;

use super::{
    Counters, DType, DeviceInfo, Engine, Footprint, LocalFuture, Op, Shape, Upload, Value,
};
use crate::error::{Error, Result};

/// An engine without numbers.
struct Dry {
    info: DeviceInfo,
}

/// An engine on which models can be built, but nothing read.
pub fn engine() -> Rc<dyn Engine> {
    let info = DeviceInfo {
        name: "none".to_owned(),
        api: "dry",
        dtype: DType::F32,
        software: true,
        memory_bytes: None,
        details: Vec::new(),
    };
    Rc::new(Dry { info })
}

impl Upload for () {
    fn write(&mut self, _: &[f32]) -> Result<()> {
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Value> {
        Ok(Rc::new(()))
    }
}

impl Engine for Dry {
    fn info(&self) -> &DeviceInfo {
        &self.info
    }

    fn upload(&self, _: &Shape) -> Result<Box<dyn Upload>> {
        Ok(Box::new(()))
    }

    fn input(&self, _: &Shape, _: Vec<f32>) -> Value {
        Rc::new(())
    }

    fn apply(&self, _: &Op, _: &[(&Value, &Shape)], _: &Shape) -> Value {
        Rc::new(())
    }

    fn eval(&self, _: &[&Value]) -> Result<()> {
        Ok(())
    }

    fn keep(&self, value: &Value) -> Result<Value> {
        Ok(value.clone())
    }

    fn read<'a>(&'a self, _: &'a Value) -> LocalFuture<'a, Result<Vec<f32>>> {
        let error =
            Error::NoDevice("there is nothing to read on a device without numbers".to_owned());
        Box::pin(std::future::ready(Err(error)))
    }

    fn footprint(&self, _: &[&Value]) -> Footprint {
        Footprint::default()
    }

    fn counters(&self) -> Counters {
        Counters::default()
    }
}
