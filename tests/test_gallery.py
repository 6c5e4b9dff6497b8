"""The gallery: Poisson discretisations converge as the theorem says, and scenes are what they claim."""

import numpy as np
import pytest
from scipy.sparse import eye_array
from scipy.sparse.linalg import cg

from pysolve import StencilOperator, gallery

SHAPES = [(1, 1), (1, 7), (7, 1), (2, 2), (13, 17), (1, 1, 1), (2, 1, 3), (5, 7, 6), (12, 11, 10)]
RANDOM = ["obstacle_box", "free_surface", "bubbles", "log_normal"]


# ---- poisson -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_default_is_the_matrix_of_pyamg(shape, dtype):
    pyamg = pytest.importorskip("pyamg", reason="pyamg is not installed: nothing to compare with")
    A = gallery.poisson(shape, dtype=dtype, format="csr")
    B = pyamg.gallery.poisson(shape, dtype=dtype, format="csr")
    assert A.dtype == B.dtype
    assert A.nnz == B.nnz
    assert abs(A - B).max() == 0


def nodes(boundary, n):
    """Spacing and places of n unknowns on [0, 1]: inner nodes, cell centres or nodes of a ring."""
    if boundary == "dirichlet":
        return 1 / (n + 1), (np.arange(n) + 1) / (n + 1)
    return 1 / n, (np.arange(n) + 0.5) / n


def discretisation_error(boundary, n, ndim, coefficient=None):
    """Relative error of  -div(a grad u) + u = f  with u a product of one wave along each axis."""
    h, x = nodes(boundary, n)
    mesh = np.meshgrid(*[x] * ndim, indexing="ij")
    k = 2 * np.pi if boundary == "periodic" else np.pi
    waves = [np.cos(k * m) if boundary == "neumann" else np.sin(k * m) for m in mesh]
    slopes = [-k * np.sin(k * m) if boundary == "neumann" else k * np.cos(k * m) for m in mesh]
    u = np.prod(waves, axis=0)
    if coefficient is None:
        f = (1 + ndim * k**2) * u
        a = None
    else:  # a depends on the first coordinate only
        a, slope = coefficient(mesh[0])
        f = (1 + a * ndim * k**2) * u - slope * slopes[0] * np.prod(waves[1:], axis=0)
    A = gallery.poisson((n,) * ndim, boundary=boundary, coefficient=a, format="csr")
    solution, info = cg(A / h**2 + eye_array(n**ndim), f.ravel(), rtol=1e-10)
    assert info == 0
    return np.linalg.norm(solution - u.ravel()) / np.linalg.norm(u)


def wavy(x):
    return 1 + 0.5 * np.sin(2 * np.pi * x), np.pi * np.cos(2 * np.pi * x)


@pytest.mark.parametrize("boundary", ["dirichlet", "neumann", "periodic"])
@pytest.mark.parametrize("coefficient", [None, wavy], ids=["constant", "variable"])
@pytest.mark.parametrize(("ndim", "sizes"), [(2, [16, 32, 64]), (3, [15, 30])], ids=["2-D", "3-D"])
def test_error_of_the_discretisation_is_of_second_order(boundary, coefficient, ndim, sizes):
    errors = [discretisation_error(boundary, n, ndim, coefficient) for n in sizes]
    steps = [nodes(boundary, n)[0] for n in sizes]
    orders = np.diff(np.log(errors)) / np.diff(np.log(steps))
    assert 1.9 < orders[-1] < 2.1


def test_coefficient_is_a_number_an_array_or_a_function_of_the_centres():
    shape = (4, 5, 6)
    x, y, z = np.meshgrid(*[(np.arange(k) + 0.5) / k for k in shape], indexing="ij")
    from_function = gallery.poisson(shape, coefficient=lambda x, y, z: 1 + x * y + z, format="csr")
    from_array = gallery.poisson(shape, coefficient=1 + x * y + z, format="csr")
    assert abs(from_function - from_array).max() == 0
    number = gallery.poisson(shape, coefficient=3, format="csr")
    assert gallery.poisson(shape, coefficient=3).weights == (3.0, 3.0, 3.0)
    assert abs(number - gallery.poisson(shape, coefficient=np.full(shape, 3.0), format="csr")).max() == 0
    assert abs(number - gallery.poisson(shape, coefficient=lambda x, y, z: 3, format="csr")).max() == 0


def test_face_between_two_materials_has_the_harmonic_mean():
    a = np.array([[1.0, 3.0], [3.0, 1e300]])
    A = gallery.poisson((2, 2), coefficient=a)
    np.testing.assert_allclose(A.weights[0], [[1, 3], [1.5, 6], [3, 1e300]])
    np.testing.assert_allclose(A.weights[1], [[1, 1.5, 3], [3, 6, 1e300]])
    ring = gallery.poisson((2, 2), coefficient=a, boundary="periodic")
    np.testing.assert_allclose(ring.weights[0], [[1.5, 6]] * 3)


@pytest.mark.parametrize("boundary", ["dirichlet", "neumann", "periodic"])
def test_faces_of_solid_cells_are_closed(boundary):
    solid = np.random.default_rng(0).random((6, 7, 5)) < 0.4
    garbage = np.where(solid, np.nan, 2.0)
    A = gallery.poisson((6, 7, 5), solid=solid, boundary=boundary, coefficient=garbage)
    assert A.decoupled[solid].all()
    B = A.tocsr().toarray()
    np.testing.assert_array_equal(B[solid.ravel()], np.eye(210)[solid.ravel()])
    np.testing.assert_array_equal(B, B.T)


def test_anisotropy_is_a_factor_for_each_axis():
    assert gallery.poisson((3, 4, 5), anisotropy=(1, 0.5, 10)).weights == (1.0, 0.5, 10.0)
    A = gallery.poisson((3, 4), anisotropy=(1, 100), coefficient=np.ones((3, 4)), format="csr")
    assert abs(A - gallery.poisson((3, 4), anisotropy=(1, 100), format="csr")).max() == 0


# ---- scenes ------------------------------------------------------------------------------------------------


def test_scenes_are_listed_by_name():
    assert all(getattr(gallery, name) is scene for name, scene in gallery.scenes.items())
    assert len(gallery.scenes) == 5


@pytest.mark.parametrize("name", gallery.scenes)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_scene_is_positive_definite_at_every_size(name, shape):
    A = gallery.scenes[name](shape, rng=4)
    assert isinstance(A, StencilOperator)
    assert A.grid_shape == shape
    assert A.n_components == 0
    assert not A.decoupled.all()
    if A.shape[0] < 300:
        assert np.linalg.eigvalsh(A.tocsr().toarray()).min() > 0


@pytest.mark.parametrize("name", gallery.scenes)
def test_formats_and_types_are_of_the_same_operator(name):
    scene = gallery.scenes[name]
    A, single = scene((9, 10, 11)), scene((9, 10, 11), dtype="f4")
    assert abs(scene((9, 10, 11), format="csr") - A.tocsr()).max() == 0
    assert single.dtype == np.float32
    largest = abs(A.tocsr()).max()
    assert abs(single.tocsr() - A.tocsr()).max() < 1e-6 * largest


@pytest.mark.parametrize("name", RANDOM)
def test_same_rng_gives_the_same_bits_and_another_gives_others(name):
    def data_of(rng):
        A = gallery.scenes[name]((16, 17, 18), rng=rng)
        return b"".join(w.tobytes() for w in A.weights)

    assert data_of(5) == data_of(5) == data_of(np.random.default_rng(5))
    assert data_of(None) == data_of(None)
    assert data_of(5) != data_of(6)


@pytest.mark.parametrize("name", RANDOM)
@pytest.mark.parametrize("ndim", [2, 3])
def test_scene_is_the_same_at_every_resolution(name, ndim):
    coarse, fine = (gallery.scenes[name]((n,) * ndim, rng=8) for n in (24, 48))
    if name in {"obstacle_box", "free_surface"}:
        blocks = fine.decoupled.reshape([24, 2] * ndim).mean(axis=tuple(range(1, 2 * ndim, 2)))
        assert np.mean(np.abs(blocks - coarse.decoupled)) < 0.05
    else:
        means = [np.log(A.weights[0][1:-1]).mean() for A in (coarse, fine)]
        assert means[0] == pytest.approx(means[1], abs=0.4)


@pytest.mark.parametrize("shape", [(64, 64), (32, 32, 32), (40, 20, 30)])
@pytest.mark.parametrize("rng", [None, 1, 2, 3])
def test_obstacles_fill_a_part_of_the_box_and_the_top_is_open(shape, rng):
    A = gallery.obstacle_box(shape, rng=rng)
    assert 0.02 < A.decoupled.mean() < 0.3
    assert not A.decoupled[-1].any()
    assert A.boundary == (("neumann", "dirichlet"), *[("neumann", "neumann")] * (len(shape) - 1))
    assert (A.weights[0][-1] == 1).all()


@pytest.mark.parametrize("shape", [(64, 64), (32, 30, 28), (8, 1)])
def test_water_lies_under_air_and_its_surface_faces_are_in_the_shift(shape):
    A = gallery.free_surface(shape, rng=2)
    water = ~A.decoupled
    assert water[0].all()
    assert (np.diff(water.astype(int), axis=0) <= 0).all()  # no air under water
    neighbours_in_air = np.zeros(shape)
    for axis in range(len(shape)):
        for step in (-1, 1):
            beyond = np.moveaxis(np.roll(A.decoupled, step, axis), axis, 0)
            beyond[0 if step == 1 else -1] = False
            neighbours_in_air += np.moveaxis(beyond, 0, axis)
    np.testing.assert_array_equal(A.shift, np.where(water, neighbours_in_air, 0))


def test_water_has_the_depth_asked_for():
    shares = [
        1 - gallery.free_surface((200, 200), depth=depth, rng=1).decoupled.mean() for depth in (0.3, 0.7)
    ]
    np.testing.assert_allclose(shares, [0.3, 0.7], atol=0.01)
    flat = gallery.free_surface((10, 6), depth=0.5, amplitude=0.0)
    assert flat.decoupled.sum() == 30


@pytest.mark.parametrize("contrast", [1e-3, 1e3])
def test_bubbles_have_the_contrast_and_cover_a_part(contrast):
    A = gallery.bubbles((40, 40, 40), contrast=contrast)
    inside = np.isclose(A.weights[0], contrast)
    assert 0.05 < inside.mean() < 0.4
    assert np.isclose(A.weights[0], 1).mean() > 0.5


@pytest.mark.parametrize("contrast", [1.0, 1e3, 1e6])
def test_log_normal_coefficient_has_the_contrast(contrast):
    A = gallery.log_normal((50, 50), contrast=contrast, rng=0)
    ends = np.concatenate(
        [A.weights[0][[0, -1]].ravel(), A.weights[1][:, [0, -1]].ravel()]
    )  # cells' own values
    assert ends.min() >= 0.999
    assert ends.max() <= 1.001 * contrast
    assert max(w.max() for w in A.weights) / min(w.min() for w in A.weights) == pytest.approx(
        contrast, rel=0.5
    )


def test_log_normal_field_is_smooth_over_its_correlation_length():
    def roughness(length):
        w = np.log(gallery.log_normal((128, 128), correlation_length=length, rng=0).weights[0][1:-1])
        return np.abs(np.diff(w, axis=0)).mean() / w.std()

    assert roughness(0.05) == pytest.approx(4 * roughness(0.2), rel=0.5)


def test_anisotropic_has_its_ratio_along_its_axis():
    assert gallery.anisotropic((3, 4, 5), ratio=50, axis=-1).weights == (1.0, 1.0, 50.0)
