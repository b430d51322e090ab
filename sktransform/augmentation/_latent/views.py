# SPDX-License-Identifier: BSD-3-Clause
"""What a trained map of embeddings does to them."""

from functools import partial

import numpy as np
import torch
from sklearn.base import OneToOneFeatureMixin
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from sktransform.augmentation._latent.pairs import as_rows, check_parameters
from sktransform.augmentation._latent.training import map_settings
from sktransform.augmentation._random import VIEWS, numpy_stream, root_seed
from sktransform.augmentation._search.grown import check_copies
from sktransform.nn._conditioned import ConditionedMap
from sktransform.runtime._runtime import Runtime
from sktransform.runtime._training import load_module

# Width of embeddings from which tokens are so wide, and heads of the attention.
_TOKENS = ((512, 128, 8), (128, 32, 4), (0, 16, 4))


def token_sizes(width):
    """Return the width of tokens, and the heads, for embeddings of a width."""
    return next(sizes for least, *sizes in _TOKENS if width >= least)


class LatentViewsMixin:
    """Versions of embeddings: drawn, made again, and reported on."""

    def augment(
        self, Z, n_copies=1, random_state=None, return_params=False, *, groups=None
    ):
        """Return versions of embeddings.

        Parameters
        ----------
        Z : array-like, data frame or Tensor of shape (n_samples, n_embedding)
            Embeddings: what :meth:`transform` returns.

        n_copies : int, default=1
            Versions of each.

        random_state : int, RandomState instance or None, default=None
            Draws them. None goes on in a stream of the fit's own: each call gives
            other versions, and the same calls after the same fit give the same.

        return_params : bool, default=False
            Whether to return also what was drawn.

        groups : array-like of shape (n_samples,), default=None
            Groups that share their draws if ``draw="per_group"``.

        Returns
        -------
        versions : ndarray or Tensor of shape (n_samples * n_copies, n_embedding)
            The first version of each, then the second, and so on; the embeddings
            themselves are not among them.

        params : ndarray of shape (n_samples * n_copies, n_parameters)
            What :meth:`apply` takes. Only if `return_params`.

        Raises
        ------
        ValueError
            If these are no embeddings of the encoder.
        """
        Z = self._checked_embeddings(Z)
        check_copies(n_copies)
        if random_state is None:
            self.n_calls_ += 1
            stream = numpy_stream(self.seed_, VIEWS, self.n_calls_)
        else:
            stream = numpy_stream(root_seed(random_state), VIEWS)
        units = self._units(len(Z), groups)
        P = np.concatenate([self._drawn(units, stream) for _ in range(n_copies)])
        whole = torch.cat if isinstance(Z, torch.Tensor) else np.concatenate
        versions = self._moved(whole([Z] * n_copies), P)
        return (versions, P) if return_params else versions

    def apply(self, Z, params):
        """Return embeddings moved by given parameters.

        Parameters
        ----------
        Z : array-like, data frame or Tensor of shape (n_samples, n_embedding)
            Embeddings.

        params : array-like of shape (n_samples, n_parameters)
            Parameters of all transformations, 0 for those that do not act. Embeddings
            whose parameters are all 0 stay, bit for bit.

        Returns
        -------
        ndarray or Tensor of shape (n_samples, n_embedding)
            The moved embeddings.

        Raises
        ------
        ValueError
            If these are no embeddings of the encoder, or the parameters do not fit.
        """
        Z = self._checked_embeddings(Z)
        return self._moved(Z, check_parameters(params, len(Z), self.conditions_))

    def report(self):
        """Return how well the map imitates, beside doing nothing.

        Returns
        -------
        pandas.DataFrame
            Mean cosine with the true versions on held-out rows and its 95 % interval,
            in a line each for the map, for doing nothing, and for the gain.
        """
        import pandas as pd

        check_is_fitted(self)
        lines = {"map": "cosine", "doing nothing": "control", "gain": "gain"}
        found = self.fidelity_
        return pd.DataFrame(
            {
                "cosine": [found[name] for name in lines.values()],
                "low": [found[f"{name}_interval"][0] for name in lines.values()],
                "high": [found[f"{name}_interval"][1] for name in lines.values()],
            },
            index=list(lines),
        )

    def _embedded(self, X):
        """Return embeddings of rows, a copy of those that are embeddings."""
        rows = self._validate_rows(X, reset=False)
        if self.encoder is not None:
            return self._encoded(X)
        return rows.clone() if isinstance(rows, torch.Tensor) else rows.copy()

    def _encoded(self, X):
        """Return embeddings of rows, in the precision of the encoder."""
        encode = getattr(self.encoder, "transform", self.encoder)
        Z = encode(X)
        if isinstance(X, torch.Tensor) and isinstance(Z, torch.Tensor):
            return Z.detach()
        return as_rows(Z, "Z")

    def _checked_embeddings(self, Z):
        """Return embeddings as an array or a tensor of the right width."""
        check_is_fitted(self)
        if self.encoder is None:
            return self._validate_rows(Z, reset=False)
        if not isinstance(Z, torch.Tensor):
            Z = as_rows(Z, "Z")
        if Z.ndim != 2 or Z.shape[1] != self._n_features_out:
            raise ValueError(
                f"Z has shape {tuple(Z.shape)}, but augment takes embeddings of "
                f"{self._n_features_out} columns: what transform returns."
            )
        return Z

    def _moved(self, Z, P):
        """Return embeddings moved by parameters, in their own kind and precision."""
        runtime = Runtime.of(Z, self.device)
        module = load_module(
            self._module(), self.map_, device=runtime.device, dtype=runtime.dtype
        )
        if isinstance(Z, torch.Tensor):
            rows = torch.cat([Z, torch.as_tensor(P).to(Z)], dim=1)
        else:
            rows = np.hstack([Z, P.astype(Z.dtype)])
        return runtime.map(module, rows)

    def _module(self):
        """Return a function that makes the map without its weights."""
        n_blocks = len({n.split(".")[1] for n in self.map_ if n.startswith("blocks.")})
        width = self._n_features_out
        settings = map_settings(width, self.conditions_, *token_sizes(width), n_blocks)
        return partial(ConditionedMap, **settings)

    def _numbers(self, n_rows, groups):
        """Return the number of each row's group, or of the row."""
        if groups is None:
            return np.arange(n_rows)
        check_consistent_length(np.empty(n_rows), groups)
        return np.unique(np.asarray(groups), return_inverse=True)[1]

    def _units(self, n_rows, groups):
        """Return numbers that rows share which share their draws."""
        return self._numbers(n_rows, groups if self.draw == "per_group" else None)

    def _drawn(self, units, stream, p_clean=0.0):
        """Return parameters for each row, the same ones for rows of one unit."""
        n_units = int(units.max()) + 1 if len(units) else 0
        chosen = stream.integers(len(self.parameters_), size=n_units)
        is_clean = stream.random(n_units) < p_clean
        drawn = np.where(is_clean[:, None], 0.0, self.parameters_[chosen])
        return drawn[units]

    def get_feature_names_out(self, input_features=None):
        """Return the names of the embeddings' columns.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the columns of X; None takes those seen during `fit`.

        Returns
        -------
        ndarray of str of shape (n_embedding,)
            Without an encoder the columns' own names.
        """
        check_is_fitted(self)
        if self.encoder is None:
            return OneToOneFeatureMixin.get_feature_names_out(self, input_features)
        return super().get_feature_names_out(input_features)
