//! Any network that is stored as an ONNX file, interpreted on [`Tensor`].
//!
//! The graph is read when the program runs and walked node by node, so that it computes, and differentiates, wherever tensors
//! do. What does not depend on the picture (weights, the arithmetic of shapes) is computed on the host, once for each shape
//! of the inputs; weights are brought to the device once. The file is anybody's: what is wrong with it is said in words
//! that name the node.

mod call;
mod constant;
mod fault;
mod graph;
mod host;
mod operators;
mod placed;
mod proto;
mod scalar;
mod value;
mod walk;

pub use constant::Constant;
pub use graph::Port;
pub use host::{Element, Numbers};
pub use value::Value;

use std::cell::RefCell;

use prost::{Message, bytes::Bytes};

use crate::{
    error::{Error, Result},
    tensor::{Device, Tensor},
};
use fault::{Fallible, Fault};
use graph::Graph;
use placed::{Placed, channels_last, natural};
use walk::Bound;

/// A network from an ONNX file, on a device.
pub struct Network {
    place: String,
    device: Device,
    graph: Graph,
    /// What was folded, for each shape of the inputs.
    bound: RefCell<Vec<(Vec<Vec<usize>>, Bound)>>,
}

/// What a network makes.
#[derive(Clone, Debug)]
pub struct Output {
    /// Its name in the file.
    pub name: String,
    /// It, with its axes in the file's order: a feature map is `[B, C, h, w]`.
    pub tensor: Tensor,
}

impl Network {
    /// Reads a file's bytes; `place` is its name in messages.
    ///
    /// With `wanted` names, any value in the graph is an output, and nothing that does not lead to one is read or computed.
    ///
    /// # Errors
    /// When it is no ONNX file or not a whole one, keeps its weights elsewhere, runs in a circle, or does what is not known
    /// here: the words name the node.
    pub fn read(
        place: &str,
        bytes: Vec<u8>,
        device: &Device,
        wanted: Option<&[String]>,
    ) -> Result<Self> {
        let graph =
            Graph::read(bytes.into(), wanted).map_err(|fault| placed_fault(place, fault))?;
        Ok(Self {
            place: place.to_owned(),
            device: device.clone(),
            graph,
            bound: RefCell::default(),
        })
    }

    /// What it takes.
    pub fn inputs(&self) -> impl Iterator<Item = &Port> {
        self.graph.inputs.iter().map(|(port, _)| port)
    }

    /// The names of what it makes.
    pub fn outputs(&self) -> impl Iterator<Item = &str> {
        self.graph.outputs.iter().map(|(name, _)| &name[..])
    }

    /// Runs it on pictures. A network that takes one picture at a time gets one after the other.
    ///
    /// # Shapes
    /// - `pictures`: `[B, H, W, C]`, scaled as the network wants it
    ///
    /// # Errors
    /// When it takes something else than one picture, or not of this size, and when a node cannot do its work.
    pub fn forward(&self, pictures: &Tensor) -> Result<Vec<Output>> {
        let [batch, _, _, _] = pictures.dims();
        let Some(port) = self.single() else {
            let names: Vec<&str> = self.inputs().map(|port| &port.name[..]).collect();
            return Err(self.wrong(format!(
                "it takes {}, where a guide takes one picture",
                names.join(", ")
            )));
        };
        let one_by_one = batch > 1 && port.dims.first() == Some(&Some(1));
        if !one_by_one {
            return self.run(&[Value::picture(pictures)]);
        }
        let rows = (0..batch).map(|row| self.run(&[Value::picture(&pictures.rows(row..row + 1))]));
        let rows = rows.collect::<Result<Vec<_>>>()?;
        let joined = rows[0].iter().enumerate().map(|(index, first)| Output {
            name: first.name.clone(),
            tensor: {
                let parts: Vec<&Tensor> = rows.iter().map(|row| &row[index].tensor).collect();
                Tensor::concat(&parts, 0)
            },
        });
        Ok(joined.collect())
    }

    /// The one input, when there is one.
    pub fn single(&self) -> Option<&Port> {
        match &self.graph.inputs[..] {
            [(port, _)] => Some(port),
            _ => None,
        }
    }

    /// Runs it on values, in the order of [`Network::inputs`].
    ///
    /// # Errors
    /// When there are too many or too few, when one has not the shape that the file says, and when a node cannot do its
    /// work.
    pub fn run(&self, inputs: &[Value]) -> Result<Vec<Output>> {
        self.fits(inputs)?;
        let values = self
            .values(inputs)
            .map_err(|fault| placed_fault(&self.place, fault))?;
        let outputs = self.outputs().zip(values).map(|(name, value)| {
            let tensor = value.output(&self.device).map_err(|fault| {
                let fault = match fault {
                    Fault::Graph(text) => Fault::Graph(format!("its output {name:?} {text}")),
                    other @ Fault::Other(_) => other,
                };
                placed_fault(&self.place, fault)
            })?;
            let name = name.to_owned();
            Ok(Output { name, tensor })
        });
        outputs.collect()
    }

    fn values(&self, inputs: &[Value]) -> Fallible<Vec<Value>> {
        let computed = |value: &Value| matches!(value, Value::Computed(_));
        if !inputs.iter().all(computed) {
            // What is folded depends on numbers, not on shapes alone.
            return Bound::default().walk(&self.graph, &self.device, inputs);
        }
        let shapes: Vec<Vec<usize>> = inputs.iter().map(|value| value.dims().to_vec()).collect();
        let mut bound = self.bound.borrow_mut();
        let found = bound.iter().position(|(known, _)| *known == shapes);
        let at = found.unwrap_or_else(|| {
            bound.push((shapes, Bound::default()));
            bound.len() - 1
        });
        bound[at].1.walk(&self.graph, &self.device, inputs)
    }

    fn fits(&self, inputs: &[Value]) -> Result<()> {
        let ports = &self.graph.inputs;
        if ports.len() != inputs.len() {
            return Err(self.wrong(format!(
                "it takes {} inputs and was given {}",
                ports.len(),
                inputs.len()
            )));
        }
        for ((port, _), value) in ports.iter().zip(inputs) {
            let dims = value.dims();
            let same = |(wanted, &dim): (&Option<usize>, &usize)| wanted.is_none_or(|x| x == dim);
            let free = port.dims.is_empty();
            let fits = port.dims.len() == dims.len() && port.dims.iter().zip(dims).all(same);
            if !free && !fits {
                return Err(self.wrong(format!(
                    "its input {:?} is {}, and {dims:?} was given",
                    port.name,
                    port.shape()
                )));
            }
        }
        Ok(())
    }

    fn wrong(&self, problem: String) -> Error {
        Error::Weights {
            place: self.place.clone(),
            problem,
        }
    }
}

fn placed_fault(place: &str, fault: Fault) -> Error {
    match fault {
        Fault::Other(error) => error,
        Fault::Graph(problem) => Error::Weights {
            place: place.to_owned(),
            problem,
        },
    }
}

impl Port {
    /// Its shape for a person, with a question mark where any extent will do.
    pub fn shape(&self) -> String {
        let dims = self.dims.iter();
        let dims: Vec<String> = dims
            .map(|dim| dim.map_or_else(|| "?".to_owned(), |dim| dim.to_string()))
            .collect();
        format!("[{}]", dims.join(", "))
    }
}

impl Value {
    /// A picture or feature map `[B, h, w, C]`, which graphs call `[B, C, h, w]`.
    pub fn picture(tensor: &Tensor) -> Self {
        Placed::new(tensor.clone(), &channels_last(4), Element::Float).into()
    }

    /// Numbers on the device, with their axes in the graph's order.
    pub fn tensor(tensor: &Tensor, element: Element) -> Self {
        let order = natural(tensor.shape().rank());
        Placed::new(tensor.clone(), &order, element).into()
    }
}

impl Constant {
    /// Reads one tensor in ONNX's own form, as the standard's test data are stored.
    ///
    /// # Errors
    /// When the bytes are none, or its numbers are of a type that nothing here computes with.
    pub fn decode(place: &str, bytes: Vec<u8>) -> Result<Self> {
        let tensor = proto::Tensor::decode(Bytes::from(bytes)).map_err(|error| Error::Weights {
            place: place.to_owned(),
            problem: error.to_string(),
        })?;
        Self::read(&tensor).map_err(|fault| placed_fault(place, fault))
    }
}
