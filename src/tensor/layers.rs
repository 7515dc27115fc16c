//! Operations that networks are made of.

use super::{PadMode, Shape, Tensor};
use crate::engine::op::{Border, Conv, Interpolation, Op, Pooling, Scalar};

impl Tensor {
    /// Matrix product, with an optional row added to each row of the result.
    ///
    /// # Shapes
    /// - `self`: `[..., M, K]`
    /// - `w`: `[K, N]`, or `[..., K, N]` with the same leading axes
    /// - `bias`: `[N]`
    /// - returns `[..., M, N]`
    ///
    /// # Panics
    /// When they do not fit.
    #[must_use]
    pub fn matmul(&self, w: &Self, bias: Option<&Self>) -> Self {
        self.matmul_op(w, bias, false)
    }

    /// Matrix product with the second matrix transposed: `w` is `[N, K]` or `[..., N, K]`.
    ///
    /// # Panics
    /// When they do not fit.
    #[must_use]
    pub fn matmul_transposed(&self, w: &Self, bias: Option<&Self>) -> Self {
        self.matmul_op(w, bias, true)
    }

    fn matmul_op(&self, w: &Self, bias: Option<&Self>, transposed: bool) -> Self {
        let rank = w.shape.rank();
        let batched = rank > 2;
        let [inner, columns] = if transposed {
            [rank - 1, rank - 2]
        } else {
            [rank - 2, rank - 1]
        }
        .map(|axis| w.shape[axis]);
        let fits = self.shape.rank() >= 2
            && self.shape.last() == inner
            && (!batched
                || (rank == self.shape.rank() && w.shape[..rank - 2] == self.shape[..rank - 2]));
        assert!(
            fits,
            "matmul {:?} by {:?}, transposed {transposed}",
            self.shape, w.shape
        );
        let op = Op::Matmul {
            transposed,
            bias: bias.is_some(),
        };
        Self::apply(
            &op,
            &with_bias(&[self, w], bias, columns),
            self.shape.with_last(columns),
        )
    }

    /// Convolution.
    ///
    /// # Shapes
    /// - `self`: `[B, h, w, C]`
    /// - `weight`: `[kh, kw, C / groups, O]`
    /// - `bias`: `[O]`
    /// - returns `[B, h', w', O]`
    ///
    /// # Panics
    /// When they do not fit.
    #[must_use]
    pub fn conv2d(&self, weight: &Self, bias: Option<&Self>, conv: Conv) -> Self {
        let [batch, h, w, channels] = self.dims();
        let [kh, kw, inner, outer] = weight.dims();
        assert!(
            channels == inner * conv.groups && outer % conv.groups == 0,
            "conv2d {:?} by {:?} in {} groups",
            self.shape,
            weight.shape,
            conv.groups
        );
        let extent = |size: usize, kernel: usize, axis: usize, pads: usize| {
            let reach = conv.dilation[axis] * (kernel - 1) + 1;
            assert!(
                size + pads >= reach,
                "conv2d {:?}: a window of {reach} does not fit",
                self.shape
            );
            (size + pads - reach) / conv.stride[axis] + 1
        };
        let [top, bottom, left, right] = conv.pad;
        let shape = [
            batch,
            extent(h, kh, 0, top + bottom),
            extent(w, kw, 1, left + right),
            outer,
        ];
        let op = Op::Conv2d {
            conv,
            bias: bias.is_some(),
        };
        Self::apply(&op, &with_bias(&[self, weight], bias, outer), shape.into())
    }

    /// Normalises each batch row within groups of channels, then scales and shifts each channel.
    ///
    /// # Shapes
    /// - `self`: `[B, ..., C]`; `gamma`, `beta`: `[C]`
    ///
    /// # Panics
    /// When they do not fit.
    #[must_use]
    pub fn group_norm(&self, gamma: &Self, beta: &Self, groups: usize, eps: f64) -> Self {
        let channels = self.shape.last();
        assert!(
            channels.is_multiple_of(groups),
            "group_norm of {channels} channels in {groups} groups"
        );
        assert!(
            gamma.shape[..] == [channels] && beta.shape[..] == [channels],
            "group_norm of {:?}",
            self.shape
        );
        let op = Op::GroupNorm {
            groups,
            eps: Scalar(eps as f32),
        };
        Self::apply(&op, &[self, gamma, beta], self.shape.clone())
    }

    /// Normalises along the last axis, then scales and shifts each channel.
    ///
    /// # Shapes
    /// - `self`: `[..., C]`; `gamma`, `beta`: `[C]`
    ///
    /// # Panics
    /// When they do not fit.
    #[must_use]
    pub fn layer_norm(&self, gamma: &Self, beta: &Self, eps: f64) -> Self {
        let channels = self.shape.last();
        assert!(
            gamma.shape[..] == [channels] && beta.shape[..] == [channels],
            "layer_norm of {:?}",
            self.shape
        );
        Self::apply(
            &Op::LayerNorm {
                eps: Scalar(eps as f32),
            },
            &[self, gamma, beta],
            self.shape.clone(),
        )
    }

    /// The first half of the channels times GELU (erf) of the second half.
    ///
    /// # Panics
    /// When the number of channels is odd.
    #[must_use]
    pub fn geglu(&self) -> Self {
        let channels = self.shape.last();
        assert!(channels.is_multiple_of(2), "geglu of {channels} channels");
        Self::apply(&Op::Geglu, &[self], self.shape.with_last(channels / 2))
    }

    /// Attention that never stores its scores.
    ///
    /// # Shapes
    /// - `self` (queries): `[B, N, heads * D]`; `k`, `v`: `[B, M, heads * D]`
    /// - returns `[B, N, heads * D]`
    ///
    /// # Panics
    /// When they do not fit.
    #[must_use]
    pub fn attention(&self, k: &Self, v: &Self, heads: usize, scale: f64, causal: bool) -> Self {
        let [batch, _, channels] = self.dims();
        let [_, keys, _] = k.dims();
        let fits = channels.is_multiple_of(heads)
            && k.shape[..] == [batch, keys, channels]
            && v.shape == k.shape;
        assert!(
            fits,
            "attention of {:?} to {:?} and {:?}, {heads} heads",
            self.shape, k.shape, v.shape
        );
        let op = Op::Attention {
            heads,
            scale: Scalar(scale as f32),
            causal,
        };
        Self::apply(&op, &[self, k, v], self.shape.clone())
    }

    /// Attention's weights themselves, for a layer that is listened to.
    ///
    /// # Shapes
    /// - `self` (queries): `[B, N, heads * D]`; `k`: `[B, M, heads * D]`
    /// - returns `[B, heads, N, M]`, each row sums to 1
    ///
    /// # Panics
    /// When they do not fit.
    #[must_use]
    pub fn attention_probs(&self, k: &Self, heads: usize, scale: f64, causal: bool) -> Self {
        let [batch, queries, channels] = self.dims();
        let [_, keys, _] = k.dims();
        let fits = channels.is_multiple_of(heads) && k.shape[..] == [batch, keys, channels];
        assert!(
            fits,
            "attention_probs of {:?} to {:?}, {heads} heads",
            self.shape, k.shape
        );
        let op = Op::AttentionProbs {
            heads,
            scale: Scalar(scale as f32),
            causal,
        };
        Self::apply(&op, &[self, k], [batch, heads, queries, keys].into())
    }

    /// Attention's weights, applied to values.
    ///
    /// # Shapes
    /// - `self` (weights): `[B, heads, N, M]`; `v`: `[B, M, heads * D]`
    /// - returns `[B, N, heads * D]`
    ///
    /// # Panics
    /// When they do not fit.
    #[must_use]
    pub fn attention_apply(&self, v: &Self) -> Self {
        let [batch, heads, queries, keys] = self.dims();
        let channels = v.shape.last();
        let fits = channels.is_multiple_of(heads) && v.shape[..] == [batch, keys, channels];
        assert!(fits, "attention_apply of {:?} to {:?}", self.shape, v.shape);
        Self::apply(
            &Op::AttentionApply,
            &[self, v],
            [batch, queries, channels].into(),
        )
    }

    /// Resamples a feature map to `size` (height, width).
    ///
    /// # Shapes
    /// - `self`: `[B, h, w, C]`, returns `[B, size[0], size[1], C]`
    #[must_use]
    pub fn resize(&self, size: [usize; 2], interpolation: Interpolation, antialias: bool) -> Self {
        let [batch, h, w, channels] = self.dims();
        if size == [h, w] {
            return self.clone();
        }
        let op = Op::Resize {
            size,
            interpolation,
            antialias,
        };
        Self::apply(&op, &[self], [batch, size[0], size[1], channels].into())
    }

    /// Combines windows of a feature map.
    ///
    /// # Shapes
    /// - `self`: `[B, h, w, C]`, returns `[B, h', w', C]`
    ///
    /// # Panics
    /// When the window does not fit.
    #[must_use]
    pub fn pool(
        &self,
        pooling: Pooling,
        kernel: [usize; 2],
        stride: [usize; 2],
        pad: Border,
    ) -> Self {
        let [batch, h, w, channels] = self.dims();
        let [top, bottom, left, right] = pad;
        let [tall, wide] = [h + top + bottom, w + left + right];
        assert!(
            tall >= kernel[0] && wide >= kernel[1],
            "pool {:?} by {kernel:?}",
            self.shape
        );
        let shape = [
            batch,
            (tall - kernel[0]) / stride[0] + 1,
            (wide - kernel[1]) / stride[1] + 1,
            channels,
        ];
        Self::apply(
            &Op::Pool {
                pooling,
                kernel,
                stride,
                pad,
            },
            &[self],
            shape.into(),
        )
    }

    /// Blurs each channel with a Gaussian, mirrored at the border.
    ///
    /// # Shapes
    /// - `self`: `[B, h, w, C]`
    ///
    /// # Panics
    /// When the kernel is even or reaches past the mirrored inside.
    #[must_use]
    pub fn gaussian_blur(&self, kernel: usize, sigma: f64) -> Self {
        assert!(kernel % 2 == 1, "a blur kernel of {kernel} has no middle");
        let [_, _, _, channels] = self.dims();
        let radius = kernel / 2;
        let line: Vec<f64> = (0..kernel)
            .map(|i| (-0.5 * ((i as f64 - radius as f64) / sigma).powi(2)).exp())
            .collect();
        let sum: f64 = line.iter().sum();
        let weights: Vec<f32> = (0..kernel * kernel)
            .flat_map(|at| {
                let weight = line[at / kernel] * line[at % kernel] / (sum * sum);
                std::iter::repeat_n(weight as f32, channels)
            })
            .collect();
        let weight = self
            .device
            .tensor(Shape::from([kernel, kernel, 1, channels]), weights);
        let border = [0, radius, radius, 0];
        let mirrored = self.pad(&border, &border, PadMode::Reflect);
        mirrored.conv2d(
            &weight,
            None,
            Conv {
                groups: channels,
                ..Conv::padded(0)
            },
        )
    }
}

/// The operands with the bias behind them, checked against the number of columns.
fn with_bias<'a>(
    operands: &[&'a Tensor],
    bias: Option<&'a Tensor>,
    columns: usize,
) -> Vec<&'a Tensor> {
    if let Some(bias) = bias {
        assert_eq!(bias.shape[..], [columns], "a bias for {columns} columns");
    }
    operands.iter().copied().chain(bias).collect()
}
