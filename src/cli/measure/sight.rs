//! What looks at pictures: the guides that come along, and a network whose features are used instead of theirs.

use std::path::Path;

use anyhow::Result;

use crate::{
    cli::network,
    error::Error,
    measures::{Features, Judge, Opinion},
    models::{Prepared, onnx::Network},
    picture::{Picture, file},
    tensor::{Device, Tensor},
};

/// What looks at pictures.
pub struct Sight {
    device: Device,
    judge: Option<Judge>,
    network: Option<(Network, Prepared)>,
}

impl Sight {
    /// Opens the guides that come along, if they do, and the network that was named, if one was.
    ///
    /// # Errors
    /// When the network is not what it should be.
    pub fn open(device: &Device, features: Option<&Path>, output: Option<&str>) -> Result<Self> {
        let network = match features {
            Some(path) => {
                let wanted = output.map(|name| vec![name.to_owned()]);
                let place = path.display().to_string();
                let network = Network::read(&place, file::read(path)?, device, wanted.as_deref())?;
                let input = network::card(path)?.sized_for(&network).on(device)?;
                Some((network, input))
            }
            None => None,
        };
        Ok(Self {
            device: device.clone(),
            judge: judge(device)?,
            network,
        })
    }

    /// What the guides say of a picture; nothing in a program that comes without them.
    ///
    /// # Errors
    /// When the device fails.
    pub fn opinion(&self, picture: &Picture, prompt: Option<&str>) -> Result<Option<Opinion>> {
        let Some(judge) = &self.judge else {
            return Ok(None);
        };
        Ok(Some(pollster::block_on(judge.look(picture, prompt))?))
    }

    /// What is seen in each place of a picture.
    ///
    /// # Errors
    /// When the network makes something else, or the device fails.
    pub fn features(&self, picture: &Picture) -> Result<Option<Features>> {
        let Some((network, input)) = &self.network else {
            let Some(judge) = &self.judge else {
                return Ok(None);
            };
            return Ok(Some(pollster::block_on(judge.features(picture))?));
        };
        let outputs = network.forward(&input.apply(&picture.to_unit(&self.device)))?;
        let features = outputs.first().map(|output| &output.tensor);
        let Some(map) = features.and_then(places) else {
            let found = features.map(|features| features.shape().to_vec());
            return Err(Error::Request(format!(
                "the features are {:?}, and layouts are compared by [1, places, numbers] or [1, numbers, height, width]: \
                 name another value with --output",
                found.unwrap_or_default()
            ))
            .into());
        };
        Ok(Some(pollster::block_on(Features::read(&map))?))
    }
}

/// Features with their numbers last, if they have places.
fn places(features: &Tensor) -> Option<Tensor> {
    match features.shape()[..] {
        [1, places, _] if places > 1 => Some(features.clone()),
        [1, _, h, w] if h * w > 1 => Some(features.permute(&[0, 2, 3, 1])),
        _ => None,
    }
}

#[cfg(feature = "mini")]
fn judge(device: &Device) -> Result<Option<Judge>> {
    let files = crate::weights::guides::files();
    let opening = Judge::open(device, &files, crate::cli::model::mini_words()?);
    Ok(Some(pollster::block_on(opening)?))
}

#[cfg(not(feature = "mini"))]
#[expect(
    clippy::unnecessary_wraps,
    reason = "the same signature as with the guides"
)]
fn judge(_: &Device) -> Result<Option<Judge>> {
    Ok(None)
}
