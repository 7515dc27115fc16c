//! Says what a checkpoint or any other file of weights is, in a few lines.

use std::{collections::BTreeMap, rc::Rc};

use serde::Serialize;

use super::{
    checkpoint::{Checkpoint, Component, Ema},
    header::Header,
    names::Part,
    recognise::{Content, require_safetensors},
    source::WeightSource,
};
use crate::error::Result;

/// What a checkpoint is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Description {
    /// Where it is.
    pub place: String,
    /// What it is, in words that follow "it is".
    pub what: String,
    /// What to use instead, when Guidestar does not run it.
    pub advice: Option<String>,
    /// Its networks, when it is a checkpoint.
    pub parts: Vec<PartDescription>,
}

/// What a network of a checkpoint is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PartDescription {
    /// Its folder in the diffusers layout.
    pub name: String,
    /// How many tensors it has.
    pub tensors: usize,
    /// How many numbers are in them.
    pub numbers: u64,
    /// Bytes they take where they are stored.
    pub stored_bytes: u64,
    /// How many tensors are stored in which way: `F16`, `F32`, `I8`.
    pub storage: BTreeMap<String, usize>,
}

impl Description {
    /// Describes a checkpoint that was opened, which Guidestar therefore runs.
    pub fn of(checkpoint: &Checkpoint) -> Self {
        let parts = Part::ALL.map(|part| PartDescription::of(checkpoint.component(part)));
        Self {
            place: checkpoint.place.clone(),
            what: Content::Sd1.describe().to_owned(),
            advice: None,
            parts: parts.into(),
        }
    }

    /// Describes a file, which need not be a checkpoint.
    ///
    /// # Errors
    /// When it cannot be read or is no safetensors file in order.
    pub async fn of_file(source: Rc<dyn WeightSource>) -> Result<Self> {
        require_safetensors(&*source).await?;
        let header = Header::read(&*source).await?;
        let content = Content::of(&header);
        if content.advice().is_none() {
            return Ok(Self::of(&Checkpoint::open_file(source, Ema::Last).await?));
        }
        Ok(Self {
            place: source.place().to_owned(),
            what: content.describe().to_owned(),
            advice: content.advice().map(str::to_owned),
            parts: Vec::new(),
        })
    }
}

impl PartDescription {
    fn of(component: &Component) -> Self {
        let tensors = &component.tensors;
        let mut storage = BTreeMap::new();
        for stored in tensors.stored() {
            *storage
                .entry(format!("{:?}", stored.entry.dtype))
                .or_default() += 1;
        }
        Self {
            name: component.part.folder().to_owned(),
            tensors: tensors.stored().len(),
            numbers: tensors.elements(),
            stored_bytes: tensors.stored_bytes(),
            storage,
        }
    }
}
