# SPDX-License-Identifier: BSD-3-Clause
"""Trainable mixture of local affine maps, its exact gradient written out.

Automatic differentiation of the same map takes longer, as
``examples/benchmarks/mixture_forms.py`` measures: it keeps every intermediate. Here the
logits of all charts and their values come from one matrix product, and so do all
gradients.
"""

import math

import torch

_SMALLEST_WEIGHT = 1e-12

# Share of the steps in which the learning rate rises.
_WARM_UP = 0.1


class Buffers:
    """Memory that calls share, by name: allocating it takes as long as filling it.

    So a call invalidates what an earlier one has saved.
    """

    def __init__(self):
        self._tensors = {}

    def take(self, name, like, *shape):
        """Return a tensor of a shape, of the kind of another, its entries arbitrary."""
        tensor = self._tensors.get(name)
        if tensor is None or tensor.shape != shape:
            tensor = self._tensors[name] = like.new_empty(shape)
        return tensor


class TrainableMap:
    """Trainable mixture: centres, log widths, linear parts and offsets in one vector.

    Shapes: `centers` (n_charts, n_inputs), `widths` (n_charts,), `components`
    (n_outputs, n_charts, n_inputs), `offsets` (n_outputs, n_charts), and `log_masses`
    (n_charts,), which are not trained. The named parts are views of `parameters`
    (n_parameters,); :meth:`backward` writes to `gradient`, laid out alike.
    """

    def __init__(self, centers, widths, components, offsets, log_masses=None):
        parts = (components, offsets, centers, widths.log())
        self.parameters = torch.cat([part.reshape(-1) for part in parts])
        self.gradient = torch.empty_like(self.parameters)
        shapes = [part.shape for part in parts]
        self.components, self.offsets, self.centers, self.log_widths = _views(
            self.parameters, shapes
        )
        self._gradients = _views(self.gradient, shapes)
        self.n_outputs, self.n_charts, self.n_inputs = components.shape
        self.log_masses = log_masses
        self._buffers = Buffers()

    def per_parameter(self, components, offsets, centers, log_widths):
        """Return a vector with one value for each kind of parameter."""
        vector = torch.empty_like(self.parameters)
        shapes = [part.shape for part in self._gradients]
        values = (components, offsets, centers, log_widths)
        for view, value in zip(_views(vector, shapes), values, strict=True):
            view.fill_(value)
        return vector

    def _augmented_matrix(self):
        """Return the matrix that takes [x, |x|^2, 1] to logits and chart values."""
        matrix = self.parameters.new_empty(
            (1 + self.n_outputs, self.n_charts, self.n_inputs + 2)
        )
        inverse_widths = self.log_widths.neg().exp()
        matrix[0, :, :-2] = 2 * inverse_widths[:, None] * self.centers
        matrix[0, :, -2] = -inverse_widths
        matrix[0, :, -1] = -inverse_widths * self.centers.square().sum(1)
        if self.log_masses is not None:
            matrix[0, :, -1] += self.log_masses
        matrix[1:, :, :-2] = self.components
        matrix[1:, :, -2] = 0
        matrix[1:, :, -1] = self.offsets - (self.components * self.centers).sum(2)
        return matrix

    def forward(self, X):
        """Return the mapped rows, and what :meth:`backward` needs.

        Shapes: `X` (n_rows, n_inputs); returned: `Y` (n_rows, n_outputs).
        """
        augmented = self._buffers.take("augmented", X, len(X), self.n_inputs + 2)
        squares = torch.mul(X, X, out=augmented[:, :-2]).sum(1)
        augmented[:, :-2] = X
        augmented[:, -2] = squares
        augmented[:, -1] = 1
        products = self._buffers.take(
            "products", X, 1 + self.n_outputs, len(X), self.n_charts
        )
        matrix = self._augmented_matrix()
        for part, out in zip(matrix, products, strict=True):
            torch.mm(augmented, part.T, out=out)
        weights = self._buffers.take("weights", X, len(X), self.n_charts)
        torch.softmax(products[0], 1, out=weights)
        # Numbers too small for full precision make a product several times slower.
        torch.nn.functional.threshold_(weights, _SMALLEST_WEIGHT, 0.0)
        # The logits' memory is free again. Products and sums one output at a time are
        # several times faster than one batched product over rows.
        values, free = products[1:], products[0]
        Y = [torch.mul(part, weights, out=free).sum(1) for part in values]
        Y = torch.stack(Y, 1)
        return Y, (augmented, weights, values, Y)

    def backward(self, output_gradient, saved):
        """Write the gradient for one :meth:`forward`.

        Shapes: `output_gradient` (n_rows, n_outputs).
        """
        augmented, weights, values, Y = saved
        by_logit = self._buffers.take(
            "products", Y, 1 + self.n_outputs, *weights.shape
        )[0]
        by_logit.copy_((output_gradient * Y).sum(1, keepdim=True).neg_())
        for part, column in zip(values, output_gradient.split(1, dim=1), strict=True):
            by_logit.addcmul_(part, column)
        by_logit *= weights
        # Rows are multiplied by what pulls at them, and not weights: rows are narrower.
        pulled = self._buffers.take(
            "pulled", Y, len(Y), self.n_outputs, augmented.shape[1]
        )
        torch.mul(output_gradient.unsqueeze(2), augmented.unsqueeze(1), out=pulled)
        by_output = (weights.T @ pulled.flatten(1)).view(
            self.n_charts, -1, pulled.shape[2]
        )
        sums = torch.cat(
            [(by_logit.T @ augmented).unsqueeze(0), by_output.transpose(0, 1)]
        )
        self.write_gradient(
            (sums[1:, :, :-2], sums[1:, :, -1]),
            (sums[0, :, :-2], sums[0, :, -1], sums[0, :, -2]),
        )

    def write_gradient(self, by_values, by_logits):
        """Write the gradient, from sums over the rows.

        `by_values` are derivatives with respect to the charts' values, outputs first,
        times the rows, and alone; `by_logits` those with respect to the logits, times
        the rows, alone, and times the rows' squared norms.
        """
        components, offsets, centers, log_widths = self._gradients
        by_rows, sums = by_values
        torch.sub(by_rows, sums.unsqueeze(2) * self.centers, out=components)
        offsets.copy_(sums)
        by_rows, sums, by_squares = by_logits
        centered = by_rows - sums[:, None] * self.centers
        inverse_widths = self.log_widths.neg().exp()
        torch.mul(2 * inverse_widths[:, None], centered, out=centers)
        centers -= (offsets.unsqueeze(2) * self.components).sum(0)
        # A logit is minus a squared distance over a width.
        squared_distances = by_squares - (self.centers * (by_rows + centered)).sum(1)
        torch.mul(squared_distances, inverse_widths, out=log_widths)


def _views(vector, shapes):
    """Return consecutive parts of a vector in the given shapes."""
    sizes = [shape.numel() for shape in shapes]
    parts = vector.split(sizes)
    return [part.view(shape) for part, shape in zip(parts, shapes, strict=True)]


def one_cycle(progress):
    """Return the factor of the learning rates: a warm-up, then half a cosine."""
    if progress < _WARM_UP:
        return progress / _WARM_UP
    return 0.5 * (1 + math.cos(math.pi * (progress - _WARM_UP) / (1 - _WARM_UP)))


class Adam:
    """Adam on one vector of parameters, with a learning rate for each of them.

    `parameters`, `rates` and the two `moments` that earlier steps left have the shape
    (n_parameters,); parameters and moments are changed in place. `n_steps` counts the
    earlier steps.
    """

    def __init__(
        self, parameters, rates, decay=(0.9, 0.99), *, moments=None, n_steps=0
    ):
        self._parameters, self._rates, self._decay = parameters, rates, decay
        if moments is None:
            moments = torch.zeros_like(parameters), torch.zeros_like(parameters)
        self.moments = self._first, self._second = moments
        self.n_steps = n_steps
        self._scale = torch.empty_like(parameters)

    def step(self, gradient, factor):
        """Take one step, its rates times a factor."""
        self.n_steps += 1
        first, second = self._decay
        self._first.lerp_(gradient, 1 - first)
        self._second.mul_(second).addcmul_(gradient, gradient, value=1 - second)
        # Corrections for the first steps, taken out of the passes over the parameters.
        root = math.sqrt(1 - second**self.n_steps)
        torch.sqrt(self._second, out=self._scale).add_(1e-8 * root)
        direction = torch.div(self._first, self._scale, out=self._scale)
        factor = factor * root / (1 - first**self.n_steps)
        self._parameters.addcmul_(direction, self._rates, value=-factor)
