"""The policies' mathematics in obvious NumPy and SciPy: the specification."""

import numpy as np
from scipy.optimize import brentq, lsq_linear
from scipy.stats import truncnorm


def tsallis_probabilities(k, K, eta):
    """p_i = 4 / (eta (k_i/K - x))^2 with the x at which they sum to 1, by bisection between bounds of the root."""
    k, d = (np.asarray(k) - np.min(k)) / K, len(k)  # x moves with them

    def probabilities(x):
        return 4 / (eta * (k - x)) ** 2

    low, high = k.min() - 2 * np.sqrt(d) / eta, k.min() - 2 / eta
    x = brentq(lambda x: probabilities(x).sum() - 1, low - 1e-9, high + 1e-9, xtol=1e-15, rtol=1e-15)
    return probabilities(x)


def tsallis_estimate(loss, played, p, baseline):
    """l_hat_i = 1{i played} (l - B_i) / p_i + B_i."""
    hat = np.array(baseline, dtype=float)
    hat[played] += (loss - baseline[played]) / p[played]
    return hat


def chebyshev_fit(X, y, bound):
    """The least squares fit with |theta_j| <= bound_j."""
    return lsq_linear(X, y, (-np.asarray(bound), bound), tol=1e-14, method="bvls", max_iter=500).x


def gaussian_posterior(X, y, noise):
    """Mean and covariance of w ~ N(0, I) after y = X w + errors of these variances."""
    precision = np.eye(X.shape[1]) + X.T @ (X / np.asarray(noise)[:, None])
    covariance = np.linalg.inv(precision)
    return covariance @ X.T @ (y / noise), covariance


def truncated_normal_mean(lower, deviation):
    """The mean of N(0, deviation^2) above `lower`."""
    return truncnorm.mean(lower / deviation, np.inf, scale=deviation)
