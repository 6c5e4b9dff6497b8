// Every kernel body of the CUDA backend, run on simulated launches: a library that tests call through ctypes.
// A call is named <kernel>_<types>, and has its sizes in n, its arrays in a and its sums in out.
#include <map>
#include <string>

#include "conjugate_directions_body.hpp"
#include "csr_body.hpp"
#include "instantiate.hpp"
#include "sell_body.hpp"
#include "simulated.hpp"
#include "stencil_body.hpp"

namespace {

using namespace pysolve;
using namespace pysolve::cuda;
using simulated::queue;

using kernel = void (*)(const index_t* n, void* const* a, double* out);
std::map<std::string, kernel> table;

template <class T>
T* at(void* p) {
  return static_cast<T*>(p);
}

void put(double* out, double v) { out[0] = v; }
void put(double* out, device_complex<double> v) {
  out[0] = v.re;
  out[1] = v.im;
}

template <class I, class T>
csr<I, T> csr_of(const index_t* n, void* const* a) {
  return {n[0], n[1], at<I>(a[0]), at<I>(a[1]), at<T>(a[2])};
}

template <class I, class T>
void add_csr(const std::string& types) {
  table["csr_matvec_" + types] = [](const index_t* n, void* const* a, double*) {
    queue().run(csr_matvec_body<I, T>{csr_of<I, T>(n, a), at<T>(a[3]), at<T>(a[4])});
  };
  table["csr_matvec_dot_" + types] = [](const index_t* n, void* const* a, double* out) {
    put(out, queue().sum(csr_matvec_dot_body<I, T>{csr_of<I, T>(n, a), at<T>(a[3]), at<T>(a[4])}));
  };
  table["csr_residual_" + types] = [](const index_t* n, void* const* a, double* out) {
    put(out, queue().sum(csr_residual_body<I, T>{csr_of<I, T>(n, a), at<T>(a[3]), at<T>(a[4]), at<T>(a[5])}));
  };
  table["csr_check_" + types] = [](const index_t* n, void* const* a, double* out) {
    queue q;
    const csr_report report = run_csr_check(q, csr_of<I, T>(n, a), n[2]);
    out[0] = double(report.fault);
    out[1] = double(report.position);
    out[2] = report.asymmetry;
    out[3] = report.frobenius;
    out[4] = report.max_row_sum;
  };
  table["sell_measure_" + types] = [](const index_t* n, void* const* a, double*) {
    queue().run(sell_measure_body<I, T>{csr_of<I, T>(n, a), at<index_t>(a[3]), at<index_t>(a[4])});
  };
  table["sell_pack_" + types] = [](const index_t* n, void* const* a, double*) {
    queue().run(sell_pack_body<I, T>{csr_of<I, T>(n, a), at<index_t>(a[3]), at<index_t>(a[4]),
                                     at<std::int32_t>(a[5]), at<std::int32_t>(a[6]), at<T>(a[7])});
  };
}

template <class T>
sell<T> sell_of(const index_t* n, void* const* a) {
  return {n[0], n[1], n[2], at<index_t>(a[0]), at<std::int32_t>(a[1]), at<std::int32_t>(a[2]), at<T>(a[3])};
}

template <class T>
void add_sell(const std::string& types) {
  table["sell_matvec_" + types] = [](const index_t* n, void* const* a, double*) {
    queue().run(sell_matvec_body<T>{sell_of<T>(n, a), at<T>(a[4]), at<T>(a[5])});
  };
  table["sell_matvec_dot_" + types] = [](const index_t* n, void* const* a, double* out) {
    put(out, queue().sum(sell_matvec_dot_body<T>{sell_of<T>(n, a), at<T>(a[4]), at<T>(a[5])}));
  };
  table["sell_residual_" + types] = [](const index_t* n, void* const* a, double* out) {
    put(out, queue().sum(sell_residual_body<T>{sell_of<T>(n, a), at<T>(a[4]), at<T>(a[5]), at<T>(a[6])}));
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
    queue q;
    run_stencil_matvec(q, grid_of<T>(n, a), at<T>(a[6]), at<T>(a[7]));
  };
  table["stencil_matvec_dot_" + types] = [](const index_t* n, void* const* a, double* out) {
    queue q;
    put(out, run_stencil_matvec_dot(q, grid_of<T>(n, a), at<T>(a[6]), at<T>(a[7])));
  };
  table["stencil_residual_" + types] = [](const index_t* n, void* const* a, double* out) {
    queue q;
    put(out, run_stencil_residual(q, grid_of<T>(n, a), at<T>(a[6]), at<T>(a[7]), at<T>(a[8])));
  };
}

template <class T>
void add_conjugate_directions(const std::string& types) {
  table["conjugate_directions_orthogonalise_" + types] = [](const index_t* n, void* const* a, double* out) {
    using host_sum = decltype(on_host(sum_t<T>()));
    queue q;
    const direction_sums<T> s = run_orthogonalise(q, at<T>(a[0]), at<T>(a[1]), at<T>(a[2]), at<T>(a[3]),
                                                  at<double>(a[4]), at<host_sum>(a[5]), n[0], n[1], n[2]);
    put(out, s.pr);
    out[2] = s.pp;
  };
  table["conjugate_directions_step_" + types] = [](const index_t* n, void* const* a, double* out) {
    put(out, queue().sum(step_body<T>{at<T>(a[0]), at<T>(a[1]), at<T>(a[2]), at<T>(a[3]), *at<T>(a[4]), n[0]}));
  };
}

template <class T>
std::string type_name() {
  using real = real_t<T>;
  const bool integer = std::is_integral_v<T>, complex = sizeof(T) != sizeof(real);
  return (integer ? "i" : complex ? "c" : "f") + std::to_string(sizeof(T));
}

#define ADD_CSR(I, T) add_csr<I, device_t<T>>(type_name<I>() + "_" + type_name<T>());
#define ADD_VALUE(T)                      \
  add_sell<device_t<T>>(type_name<T>()); \
  add_conjugate_directions<device_t<T>>(type_name<T>());
#define ADD_REAL(T) add_stencil<T>(type_name<T>());
const bool filled = [] {
  PYSOLVE_FOR_INDEX_VALUE(ADD_CSR)
  PYSOLVE_FOR_VALUE(ADD_VALUE)
  PYSOLVE_FOR_REAL(ADD_REAL)
  return true;
}();

}  // namespace

// Threads of a block (a power of two, 32 to 256) and most blocks of the launches to come.
extern "C" void simulate(int threads, std::int64_t most_blocks) {
  simulated::state.threads = threads;
  simulated::state.most_blocks = most_blocks;
}

// What is wrong, or nothing.
extern "C" const char* run(const char* name, const std::int64_t* n, void* const* a, double* out) try {
  const auto found = table.find(name);
  if (found == table.end()) return "no such kernel";
  found->second(n, a, out);
  return "";
} catch (const std::logic_error&) {
  return "the threads of a block do not reach the same syncs";
}

// Threads that share a row of a matrix with so many entries and rows.
extern "C" int row_lanes(std::int64_t n_entries, std::int64_t n_rows) {
  return lanes_per_row(n_entries, n_rows);
}
