//! The source of an edit: its latents at every noise level, and what the U-Net computes of them.

use std::{cell::RefCell, collections::HashMap, rc::Rc};

use crate::{
    diffusion::{Level, Trajectory},
    error::Result,
    models::{
        Unet,
        unet::{Qkv, Site, Tap},
    },
    tensor::{Device, Tensor},
};

/// The values that an edit takes from its source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sites {
    /// What these residual blocks compute, before the skip.
    pub hidden: Vec<Site>,
    /// The projections of these attentions.
    pub qkv: Vec<Site>,
    /// The weights of these attentions.
    pub probs: Vec<Site>,
}

impl Sites {
    /// Whether nothing is taken.
    pub fn is_empty(&self) -> bool {
        self.hidden.is_empty() && self.qkv.is_empty() && self.probs.is_empty()
    }
}

/// What a forward of the source left, by site; each with one row for each context of the source.
#[derive(Clone, Debug, Default)]
pub struct Features {
    /// What residual blocks computed.
    pub hidden: HashMap<Site, Tensor>,
    /// Projections of attentions.
    pub qkv: HashMap<Site, Qkv>,
    /// Weights of attentions.
    pub probs: HashMap<Site, Tensor>,
}

impl Features {
    /// Everything in it.
    fn tensors(&self) -> Vec<&Tensor> {
        let projections = self.qkv.values().flat_map(|qkv| [&qkv.q, &qkv.k, &qkv.v]);
        let whole = self.hidden.values().chain(self.probs.values());
        whole.chain(projections).collect()
    }

    fn have(&self, sites: &Sites) -> bool {
        sites.hidden.iter().all(|at| self.hidden.contains_key(at))
            && sites.qkv.iter().all(|at| self.qkv.contains_key(at))
            && sites.probs.iter().all(|at| self.probs.contains_key(at))
    }
}

/// Features of a source that outlive a walk, by timestep, so that the next edit of it needs no forward for them.
///
/// They belong to one source, model and walk; whoever hands them on sees to that.
#[derive(Clone, Default)]
pub struct Kept(Rc<RefCell<HashMap<usize, Features>>>);

impl Kept {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many levels there is something for.
    pub fn len(&self) -> usize {
        self.0.borrow().len()
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Forwards a source at the level of a step, from the latents that were stored for it.
///
/// Feeding stored latents, instead of denoising the source along with the edit, is direct inversion (Ju et al. 2023,
/// <https://arxiv.org/abs/2310.01506>): the source never drifts from the picture it was inverted from. With a trajectory that
/// was sampled downwards it is the other way.
pub struct SourceBranch {
    unet: Rc<Unet>,
    trajectory: Rc<Trajectory>,
    contexts: Tensor,
    kept: Option<Kept>,
}

impl SourceBranch {
    /// A source with the texts it is described by.
    ///
    /// # Shapes
    /// - `contexts`: `[1, N, C]`, or `[2, N, C]` with the negative or empty prompt's first
    pub fn new(
        unet: Rc<Unet>,
        trajectory: Rc<Trajectory>,
        contexts: Tensor,
        kept: Option<Kept>,
    ) -> Self {
        Self {
            unet,
            trajectory,
            contexts,
            kept,
        }
    }

    /// The source's latents at a level, one row for each of its contexts.
    fn latents(&self, device: &Device, at: Level) -> Tensor {
        let [h, w] = self.trajectory.size();
        let row = self.trajectory.at(at);
        let rows = self.contexts.shape()[0];
        let channels = row.len() / (h * w);
        device.tensor([rows, h, w, channels], row.repeat(rows))
    }

    /// What the U-Net computes of the source at these sites.
    ///
    /// # Errors
    /// When features are kept, and the device has no room for them.
    ///
    /// # Panics
    /// When the U-Net lacks one of the sites.
    pub fn features(&self, at: Level, sites: &Sites) -> Result<Features> {
        if let Some(Kept(kept)) = &self.kept
            && let Some(features) = kept.borrow().get(&at.t)
            && features.have(sites)
        {
            return Ok(features.clone());
        }
        let device = self.contexts.device();
        let mut record = Record {
            sites,
            features: Features::default(),
        };
        let x = self.latents(device, at);
        self.unet.forward(&x, &[at.t], &self.contexts, &mut record);
        let features = record.features;
        assert!(features.have(sites), "the U-Net has not all of {sites:?}");
        if let Some(Kept(kept)) = &self.kept {
            // A lazy device would compute them again for each later use.
            device.eval(&features.tensors())?;
            kept.borrow_mut().insert(at.t, features.clone());
        }
        Ok(features)
    }
}

/// Notes what passes at some sites.
struct Record<'a> {
    sites: &'a Sites,
    features: Features,
}

impl Tap for Record<'_> {
    fn hidden(&mut self, at: Site, h: Tensor) -> Tensor {
        if self.sites.hidden.contains(&at) {
            self.features.hidden.insert(at, h.clone());
        }
        h
    }

    fn qkv(&mut self, at: Site, qkv: Qkv) -> Qkv {
        if self.sites.qkv.contains(&at) {
            self.features.qkv.insert(at, qkv.clone());
        }
        qkv
    }

    fn wants_probs(&self, at: Site) -> bool {
        self.sites.probs.contains(&at)
    }

    fn probs(&mut self, at: Site, p: Tensor) -> Tensor {
        self.features.probs.insert(at, p.clone());
        p
    }
}
