# SPDX-License-Identifier: BSD-3-Clause
"""FitProgress: reports of a fit loop to scikit-learn's callbacks."""

from collections.abc import Callable, Mapping
from typing import Any

from numpy.typing import ArrayLike

from sktransform.utils._sklearn import init_callback_context


class FitProgress:
    """Report the iterations of a fit loop to scikit-learn's callbacks.

    Use it once, as a context manager, inside an estimator's `fit` that is decorated by
    `fit_context`. It reports the end of the fit when the loop ends, early or not; after
    an error, only the decorator's teardown runs, as for scikit-learn's estimators.
    Callbacks need scikit-learn 1.9; with earlier releases nothing is reported.

    Parameters
    ----------
    estimator : estimator instance
        The estimator whose `fit` is running. Nothing is reported unless it is a
        `sklearn.callback.CallbackSupportMixin`.

    max_iter : int
        Largest number of iterations.

    task_name : str, default="iteration"
        Name of one iteration, which callbacks show.

    X : array-like or None, default=None
        The training data, for callbacks that score.

    y : array-like or None, default=None
        The training targets, for callbacks that score.

    Examples
    --------
    >>> from sktransform.base import TorchEstimator
    >>> from sktransform.runtime import FitProgress
    >>> class Counter(TorchEstimator):
    ...     pass
    >>> with FitProgress(Counter(), max_iter=3) as progress:
    ...     for iteration in range(3):
    ...         if progress.step():
    ...             break
    """

    def __init__(
        self,
        estimator: Any,
        max_iter: int,
        task_name: str = "iteration",
        *,
        X: ArrayLike | None = None,
        y: ArrayLike | None = None,
    ) -> None:
        self.estimator = estimator
        self.task_name = task_name
        self._data = {"X": X, "y": y}
        self._context = init_callback_context(estimator, max_iter)
        if self._context is not None:
            self._context.call_on_fit_task_begin(estimator=estimator, **self._data)

    def step(
        self,
        reconstruction_attributes: Mapping[str, Any]
        | Callable[[], Mapping[str, Any]]
        | None = None,
    ) -> bool:
        """Report that one iteration has ended.

        Parameters
        ----------
        reconstruction_attributes : dict, callable or None, default=None
            The fitted attributes with which the estimator could transform if the fit
            ended here, or a function without arguments that returns them. It is
            called only if a callback asks.

        Returns
        -------
        bool
            Whether a callback asks to stop.
        """
        if self._context is None:
            return False
        context = self._context.subcontext(task_name=self.task_name)
        context.call_on_fit_task_begin(estimator=self.estimator, **self._data)
        return context.call_on_fit_task_end(
            estimator=self.estimator,
            reconstruction_attributes=reconstruction_attributes,
            **self._data,
        )

    def close(self) -> None:
        """Report that the fit has ended."""
        if self._context is not None:
            self._context.call_on_fit_task_end(estimator=self.estimator, **self._data)

    def __enter__(self):
        return self

    def __exit__(self, exception_type, exception, traceback):
        if exception_type is None:
            self.close()
