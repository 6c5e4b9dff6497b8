// The .cu files of the CUDA backend compiled for the host, with launches that are simulated: a library that tests call
// through ctypes. A call is named <kernel>_<types>, and has its sizes in n, its arrays in a and its sums in out.
#include <map>
#include <string>

#include "simulated.hpp"
// So that small boxes have long runs, and levels beside those that are launched together.
#define PYSOLVE_RUNS_WANTED 32
#define PYSOLVE_BOTTOM_CELLS 400
// After simulated.hpp, whose queue they launch with.
#include "conjugate_directions.cu"
#include "cuda_call.cu"
#include "device.cpp"
#undef PYSOLVE_INSTANTIATE
#include "csr.cu"
#include "direction_net.cu"
#undef PYSOLVE_INSTANTIATE
#include "kron.cu"
#undef PYSOLVE_INSTANTIATE
#include "matrix_completion.cu"
#include "multilevel.cu"
#undef PYSOLVE_INSTANTIATE
#include "sell.cu"
#undef PYSOLVE_INSTANTIATE
#include "sor.cu"
#undef PYSOLVE_INSTANTIATE
#include "kernels_kron.hpp"
#include "stencil.cu"

namespace {

using namespace pysolve;

using kernel = void (*)(const index_t* n, void* const* a, double* out);
std::map<std::string, kernel> table;

template <class T>
T* at(void* p) {
  return static_cast<T*>(p);
}

void put(double* out, double v) { out[0] = v; }
void put(double* out, std::complex<double> v) {
  out[0] = v.real();
  out[1] = v.imag();
}

template <class I, class T>
csr<I, T> csr_of(const index_t* n, void* const* a) {
  return {n[0], n[1], at<I>(a[0]), at<I>(a[1]), at<T>(a[2])};
}

template <class I, class T>
void add_csr(const std::string& types) {
  table["csr_matvec_" + types] = [](const index_t* n, void* const* a, double*) {
    cuda::csr_matvec(csr_of<I, T>(n, a), at<T>(a[3]), at<T>(a[4]));
  };
  table["csr_matvec_dot_" + types] = [](const index_t* n, void* const* a, double* out) {
    put(out, cuda::csr_matvec_dot(csr_of<I, T>(n, a), at<T>(a[3]), at<T>(a[4])));
  };
  table["csr_residual_" + types] = [](const index_t* n, void* const* a, double* out) {
    put(out, cuda::csr_residual(csr_of<I, T>(n, a), at<T>(a[3]), at<T>(a[4]), at<T>(a[5])));
  };
  table["csr_check_" + types] = [](const index_t* n, void* const* a, double* out) {
    const cuda::csr_report report = cuda::csr_check(csr_of<I, T>(n, a), n[2]);
    out[0] = double(report.fault);
    out[1] = double(report.position);
    out[2] = report.asymmetry;
    out[3] = report.frobenius;
    out[4] = report.max_row_sum;
  };
  table["sell_measure_" + types] = [](const index_t* n, void* const* a, double*) {
    cuda::sell_measure(csr_of<I, T>(n, a), at<index_t>(a[3]), at<index_t>(a[4]));
  };
  table["sell_pack_" + types] = [](const index_t* n, void* const* a, double*) {
    cuda::sell_pack(csr_of<I, T>(n, a), at<index_t>(a[3]), at<index_t>(a[4]), at<std::int32_t>(a[5]),
                    at<std::int32_t>(a[6]), at<T>(a[7]));
  };
  table["sor_sweep_csr_" + types] = [](const index_t* n, void* const* a, double*) {
    cuda::sor_sweep_csr(csr_of<I, T>(n, a), at<index_t>(a[3]), n[2], at<T>(a[4]), at<T>(a[5]),
                        *at<double>(a[6]));
  };
}

template <class T>
sell<T> sell_of(const index_t* n, void* const* a) {
  return {n[0], n[1], n[2], at<index_t>(a[0]), at<std::int32_t>(a[1]), at<std::int32_t>(a[2]), at<T>(a[3])};
}

template <class T>
void add_sell(const std::string& types) {
  table["sell_matvec_" + types] = [](const index_t* n, void* const* a, double*) {
    cuda::sell_matvec(sell_of<T>(n, a), at<T>(a[4]), at<T>(a[5]));
  };
  table["sell_matvec_dot_" + types] = [](const index_t* n, void* const* a, double* out) {
    put(out, cuda::sell_matvec_dot(sell_of<T>(n, a), at<T>(a[4]), at<T>(a[5])));
  };
  table["sell_residual_" + types] = [](const index_t* n, void* const* a, double* out) {
    put(out, cuda::sell_residual(sell_of<T>(n, a), at<T>(a[4]), at<T>(a[5]), at<T>(a[6])));
  };
}

template <class T>
grid<T> grid_of(const index_t* n, void* const* a) {
  grid<T> A{};
  const double* constants = at<double>(a[5]);
  for (int k = 0; k < 3; ++k) {
    A.n[k] = n[k];
    A.low[k] = side(n[3 + k]);
    A.high[k] = side(n[6 + k]);
    A.weights[k] = at<T>(a[k]);
    A.constant[k] = T(constants[k]);
  }
  A.shift = at<T>(a[3]);
  A.shift0 = T(constants[3]);
  A.decoupled = at<index_t>(a[4]);
  A.n_decoupled = n[9];
  return A;
}

template <class T>
void add_stencil(const std::string& types) {
  table["stencil_matvec_" + types] = [](const index_t* n, void* const* a, double*) {
    cuda::stencil_matvec(grid_of<T>(n, a), at<T>(a[6]), at<T>(a[7]));
  };
  table["stencil_matvec_dot_" + types] = [](const index_t* n, void* const* a, double* out) {
    put(out, cuda::stencil_matvec_dot(grid_of<T>(n, a), at<T>(a[6]), at<T>(a[7])));
  };
  table["stencil_residual_" + types] = [](const index_t* n, void* const* a, double* out) {
    put(out, cuda::stencil_residual(grid_of<T>(n, a), at<T>(a[6]), at<T>(a[7]), at<T>(a[8])));
  };
  table["sor_sweep_stencil_" + types] = [](const index_t* n, void* const* a, double*) {
    cuda::sor_sweep_stencil(grid_of<T>(n, a), at<T>(a[6]), at<T>(a[7]), *at<double>(a[8]), int(n[10]));
  };
}

template <class T>
void add_conjugate_directions(const std::string& types) {
  table["conjugate_directions_orthogonalise_" + types] = [](const index_t* n, void* const* a, double* out) {
    const auto report =
        cuda::conjugate_directions_orthogonalise(at<T>(a[0]), at<T>(a[1]), at<T>(a[2]), at<T>(a[3]),
                                                 at<double>(a[4]), at<sum_t<T>>(a[5]), n[0], n[1], n[2]);
    put(out, report.pr);
    out[2] = report.pp;
  };
  table["conjugate_directions_step_" + types] = [](const index_t* n, void* const* a, double* out) {
    put(out, cuda::conjugate_directions_step(at<T>(a[0]), at<T>(a[1]), at<T>(a[2]), at<T>(a[3]), *at<T>(a[4]),
                                             n[0]));
  };
}

void add_direction_net() {
  table["direction_net_work_size_f4"] = [](const index_t* n, void* const*, double* out) {
    out[0] = double(cuda::direction_net_work_size(n));
  };
  table["direction_net_pack_f4"] = [](const index_t* n, void* const* a, double*) {
    cuda::direction_net_pack(at<float>(a[0]), at<float>(a[1]), n[0]);
  };
  table["direction_net_apply_f4"] = [](const index_t* n, void* const* a, double*) {
    const direction_net net{n[3],
                            n[4],
                            n[5],
                            at<float>(a[0]),
                            at<float>(a[1]),
                            at<float>(a[2]),
                            at<float>(a[3]),
                            at<float>(a[4]),
                            at<float>(a[5]),
                            *at<float>(a[6])};
    cuda::direction_net_apply(net, n, at<float>(a[7]), at<float>(a[8]), at<float>(a[9]));
  };
}

}  // namespace

#include "kernels_completion.hpp"
#include "kernels_multilevel.hpp"

namespace {

template <class T>
std::string type_name() {
  const char* kind = std::is_integral_v<T> ? "i" : std::is_same_v<T, real_t<T>> ? "f" : "c";
  return kind + std::to_string(sizeof(T));
}

#define ADD_CSR(I, T) add_csr<I, T>(type_name<I>() + "_" + type_name<T>());
#define ADD_VALUE(T)           \
  add_sell<T>(type_name<T>()); \
  add_conjugate_directions<T>(type_name<T>());
#define ADD_REAL(T)                        \
  add_stencil<T>(type_name<T>());          \
  add_kron<T>(table, type_name<T>());      \
  add_multilevel<T>(type_name<T>());       \
  add_multilevel_cycle<T>(type_name<T>()); \
  add_completion<T>(type_name<T>());
const bool filled = [] {
  PYSOLVE_FOR_INDEX_VALUE(ADD_CSR)
  PYSOLVE_FOR_VALUE(ADD_VALUE)
  PYSOLVE_FOR_REAL(ADD_REAL)
  add_multilevel_of_one_type();
  add_completion_sort();
  add_direction_net();
  return true;
}();

}  // namespace

// What is wrong, or nothing.
extern "C" const char* run(const char* name, const std::int64_t* n, void* const* a, double* out) try {
  const auto found = table.find(name);
  if (found == table.end()) return "no such kernel";
  found->second(n, a, out);
  return "";
} catch (const std::logic_error&) {
  return "the threads of a block do not reach the same syncs";
}

// The names of all calls, with spaces between them.
extern "C" const char* names() {
  static const std::string all = [] {
    std::string text;
    for (const auto& entry : table) text += entry.first + " ";
    return text;
  }();
  return all.c_str();
}

// Threads that share a row of a matrix with so many entries and rows.
extern "C" int row_lanes(std::int64_t n_entries, std::int64_t n_rows) {
  return pysolve::cuda::lanes_per_row(n_entries, n_rows);
}
