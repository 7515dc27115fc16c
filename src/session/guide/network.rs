//! Guides on networks from files.

use std::rc::Rc;

use super::{Materials, NamedFile, Target, Wanted, aims::white, published};
use crate::{
    error::{Error, Result},
    guidance::{
        network::{
            self, ClassBox, Detector, FaceFinder, FaceIdentity, FaceSettings, Mtcnn, MtcnnSettings,
            NetworkGuide, YuNet, matched::Boxed,
        },
        universal::Guide,
    },
    models::{Input, Prepared, onnx::Network},
    session::Size,
    tensor::{Device, Interpolation, Tensor},
    weights::{WeightSource, face_finder, header::Header, recognise::Format, tensors::Tensors},
};

/// A guide on a network from a file.
pub(super) async fn guide(
    target: &Target,
    materials: &Materials,
    size: Size,
    device: &Device,
) -> Result<Rc<dyn Guide>> {
    match target {
        Target::Face {
            picture,
            recogniser,
            input,
            detector,
            detector_parts,
            loss,
            whole,
            centre,
        } => {
            let (network, input, cut) =
                published::recogniser(recogniser, input, materials, device).await?;
            let detector = match detector {
                Some(file) => Some(finder(file, detector_parts, materials, device).await?),
                None => None,
            };
            let settings = FaceSettings {
                loss: *loss,
                crop: !whole,
                centre: *centre,
                cut,
            };
            let picture = materials.picture(picture)?.to_unit(device);
            let face = FaceIdentity::new(network, input, detector, settings, &picture).await?;
            Ok(Rc::new(face))
        }
        Target::Network {
            network,
            input,
            output,
            loss,
            wanted,
        } => {
            let (network, input) = opened(network, input, materials, device)?;
            let [h, w] = [size.height_px, size.width_px];
            let like = device.tensor([1, h, w, 3], vec![0.5; h * w * 3]);
            let output = output.as_deref();
            if let Wanted::Boxes { boxes } = wanted {
                let boxes = boxes.iter().map(numbered).collect::<Result<_>>()?;
                return Ok(Rc::new(Detector::new(
                    network, input, output, boxes, &like,
                )?));
            }
            let target = match wanted {
                Wanted::Boxes { .. } => unreachable!("boxes have a guide of their own"),
                Wanted::Picture { picture } => {
                    network::Target::Picture(materials.picture(picture)?.to_unit(device))
                }
                Wanted::Class { class } => network::Target::Class(*class),
                Wanted::Embedding { file } => {
                    let numbers = numbers(materials.source(file)?).await?;
                    network::Target::Output(numbers)
                }
                Wanted::Mask {
                    mask,
                    class,
                    elsewhere,
                } => {
                    let mask = white(materials.picture(mask)?, &mask.path, size, device)?;
                    let places = places(&network, &input, output, &like)?;
                    let mask = mask.resize(places, Interpolation::Nearest, false);
                    let named = |&light: &f32| {
                        if light > 0.5 {
                            Some(*class)
                        } else {
                            *elsewhere
                        }
                    };
                    network::Target::Map(mask.read().await?.iter().map(named).collect())
                }
            };
            let loss = loss.unwrap_or_else(|| target.usual_loss());
            let guide = NetworkGuide::new(network, input, output, loss, &target, &like)?;
            Ok(Rc::new(guide))
        }
        _ => published::guide(target, materials, size, device).await,
    }
}

/// What finds faces: MTCNN from its weights, `YuNet` from anything else.
async fn finder(
    file: &NamedFile,
    parts: &[NamedFile],
    materials: &Materials,
    device: &Device,
) -> Result<FaceFinder> {
    let source = materials.source(file)?;
    if !Format::read(&*source).await?.holds_tensors() {
        let bytes = materials.file(file)?.clone();
        return Ok(YuNet::new(&file.path, bytes, device)?.into());
    }
    let mut sources = vec![source];
    for part in parts {
        sources.push(materials.source(part)?);
    }
    let stages = face_finder::read(&sources, device).await?;
    Ok(Mtcnn::new(stages, MtcnnSettings::default()).into())
}

/// A box whose thing is the number of a class.
fn numbered(boxed: &Boxed) -> Result<ClassBox> {
    let class = boxed.thing.parse().map_err(|_| {
        Error::Request(format!(
            "the network knows its classes by number, and {:?} is none: write \"15 0.1,0.2,0.5,0.9\"",
            boxed.thing
        ))
    })?;
    Ok(ClassBox {
        class,
        bounds: boxed.bounds,
    })
}

/// A network, and how it wants its pictures: in the size that its file says where nothing else is said.
pub(super) fn opened(
    file: &NamedFile,
    input: &Input,
    materials: &Materials,
    device: &Device,
) -> Result<(Network, Prepared)> {
    let bytes = materials.file(file)?;
    require_room(file, bytes.len() as u64, device)?;
    let network = Network::read(&file.path, bytes.clone(), device, None)?;
    let input = input.clone().sized_for(&network).on(device)?;
    Ok((network, input))
}

pub(super) fn require_room(file: &NamedFile, needed_bytes: u64, device: &Device) -> Result<()> {
    let info = device.info();
    match info.memory_bytes {
        Some(available_bytes) if needed_bytes > available_bytes => Err(Error::Memory {
            what: format!("the network {}", file.path),
            place: info.name.clone(),
            needed_bytes,
            available_bytes,
            advice: "use a smaller network, or a device with more memory".to_owned(),
        }),
        _ => Ok(()),
    }
}

/// Height and width of a network's map of classes.
fn places(
    network: &Network,
    input: &Prepared,
    output: Option<&str>,
    like: &Tensor,
) -> Result<[usize; 2]> {
    let said = network.forward(&input.apply(like))?;
    let found = match output {
        Some(name) => said.iter().find(|said| said.name == name),
        None => said.first(),
    };
    let Some(found) = found else {
        let names = network.outputs().collect::<Vec<_>>().join(", ");
        return Err(Error::Request(format!(
            "the network has no output {:?}; it has {names}",
            output.unwrap_or_default()
        )));
    };
    match found.tensor.shape()[..] {
        [_, _, h, w] => Ok([h, w]),
        _ => Err(Error::Request(format!(
            "a mask needs an output with a class for each place, and {:?} is {:?}",
            found.name,
            found.tensor.shape()
        ))),
    }
}

/// The numbers of the only tensor in a safetensors file.
async fn numbers(source: Rc<dyn WeightSource>) -> Result<Vec<f32>> {
    let place = source.place().to_owned();
    let header = Header::read(&*source).await?;
    let mut tensors = Tensors::default();
    tensors.add(source, &header, |name| Some(name.to_owned()))?;
    let [stored] = tensors.stored() else {
        return Err(Error::Weights {
            place,
            problem: "an embedding is the only tensor of its file".to_owned(),
        });
    };
    let mut numbers = Vec::with_capacity(stored.entry.elements());
    let mut take = |piece: &[f32]| {
        numbers.extend_from_slice(piece);
        Ok(())
    };
    tensors.reader().read(stored, &mut take).await?;
    Ok(numbers)
}
