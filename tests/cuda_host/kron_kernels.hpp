// The kernels of kron in the table of kernels.cpp, which includes this after kron.cu.
#pragma once

namespace {

// d, columns, then m, n and both strides of every factor; in the order of the arguments, all factors first.
template <class T>
std::vector<cuda::kron_factor<T>> cuda_factors(const index_t* n, void* const* a) {
  std::vector<cuda::kron_factor<T>> factors;
  for (index_t j = 0; j < n[0]; ++j)
    factors.push_back({at<T>(a[j]), n[4 * j + 2], n[4 * j + 3], n[4 * j + 4], n[4 * j + 5]});
  return factors;
}

template <class T>
void add_kron(const std::string& types) {
  table["kron_mode_product_" + types] = [](const index_t* n, void* const* a, double*) {
    cuda::kron_mode_product(cuda_factors<T>(n, a)[0], n[6], n[1], at<T>(a[1]), at<T>(a[2]));
  };
  table["kron_work_size_" + types] = [](const index_t* n, void* const* a, double* out) {
    out[0] = double(cuda::kron_work_size(cuda_factors<T>(n, a), n[1], 1));
  };
  table["kron_matvec_" + types] = [](const index_t* n, void* const* a, double* out) {
    void* const* const rest = a + n[0];
    const index_t n_work = cuda::kron_work_size(cuda_factors<T>(n, a), n[1], 1);
    cuda::kron_matvec(cuda_factors<T>(n, a), n[1], at<T>(rest[0]), at<T>(rest[1]), at<T>(rest[2]), n_work);
    out[0] = double(
        cuda::kron_passes(cuda_factors<T>(n, a), cuda::kron_sizes(cuda_factors<T>(n, a), n[1])).size());
  };
}

}  // namespace
