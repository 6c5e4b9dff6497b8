// The kernels of matrix_completion in the table of kernels.cpp, which includes this after matrix_completion.cu. Entries by
// rows have their sizes first in n (rows, columns, entries) and their five arrays first in a; numbers come in double,
// after the arrays.
#pragma once

namespace {

template <class T>
observed<T> observed_of(const index_t* n, void* const* a) {
  return {n[0],        n[1],       n[2], at<index_t>(a[0]), at<index_t>(a[1]), at<std::int32_t>(a[2]),
          at<T>(a[3]), at<T>(a[4])};
}

void put(double* out, const completion_sums& sums) {
  out[0] = sums.squares;
  out[1] = double(sums.fault);
}

template <class T>
void add_completion_steps(const std::string& types) {
  table["matrix_completion_half_step_" + types] = [](const index_t* n, void* const* a, double* out) {
    const double* numbers = at<double>(a[9]);
    put(out, cuda::matrix_completion_half_step(observed_of<T>(n, a), at<T>(a[5]), at<T>(a[6]), n[3],
                                               at<double>(a[7]), int(n[4]), at<float>(a[8]), numbers[0],
                                               n[5] != 0));
  };
  table["matrix_completion_sketched_step_" + types] = [](const index_t* n, void* const* a, double* out) {
    put(out, cuda::matrix_completion_sketched_step(observed_of<T>(n, a), at<T>(a[5]), at<T>(a[6]), n[3],
                                                   at<double>(a[7]), int(n[4]), at<index_t>(a[9]), n[5],
                                                   completion_sketch(n[6]), n[7], std::uint64_t(n[8]),
                                                   at<float>(a[8])));
  };
  table["matrix_completion_nonneg_step_" + types] = [](const index_t* n, void* const* a, double* out) {
    put(out, cuda::matrix_completion_nonneg_step(observed_of<T>(n, a), at<T>(a[5]), at<T>(a[6]), n[3],
                                                 at<double>(a[7]), int(n[4])));
  };
}

template <class T>
void add_completion_products(const std::string& types) {
  table["matrix_completion_gradient_" + types] = [](const index_t* n, void* const* a, double* out) {
    put(out,
        cuda::matrix_completion_gradient(observed_of<T>(n, a), at<T>(a[5]), at<T>(a[6]), at<T>(a[7]), n[3]));
  };
  table["matrix_completion_normal_" + types] = [](const index_t* n, void* const* a, double* out) {
    put(out, cuda::matrix_completion_normal(observed_of<T>(n, a), at<T>(a[5]), at<T>(a[6]), at<T>(a[7]),
                                            at<T>(a[8]), at<T>(a[9]), n[3], *at<double>(a[10])));
  };
  table["matrix_completion_blocks_" + types] = [](const index_t* n, void* const* a, double* out) {
    put(out, cuda::matrix_completion_blocks(observed_of<T>(n, a), at<T>(a[5]), n[3], *at<double>(a[7]),
                                            at<T>(a[6])));
  };
  table["matrix_completion_apply_blocks_" + types] = [](const index_t* n, void* const* a, double*) {
    cuda::matrix_completion_apply_blocks(at<T>(a[0]), at<T>(a[1]), n[0], n[1], *at<double>(a[2]));
  };
  table["matrix_completion_residual_" + types] = [](const index_t* n, void* const* a, double* out) {
    put(out, cuda::matrix_completion_residual(at<std::int32_t>(a[0]), at<std::int32_t>(a[1]), at<T>(a[2]),
                                              at<T>(a[3]), n[0], at<T>(a[4]), n[1], at<T>(a[5]), n[2], n[3],
                                              at<T>(a[6])));
  };
  table["matrix_completion_deviations_" + types] = [](const index_t* n, void* const* a, double* out) {
    put(out, cuda::matrix_completion_deviations(observed_of<T>(n, a), at<T>(a[5]), at<T>(a[6]), n[3],
                                                at<T>(a[7]), at<T>(a[8])));
  };
  table["matrix_completion_gram_" + types] = [](const index_t* n, void* const* a, double*) {
    cuda::matrix_completion_gram(at<T>(a[0]), n[0], n[1], at<double>(a[1]));
  };
  table["matrix_completion_transform_" + types] = [](const index_t* n, void* const* a, double* out) {
    out[0] = double(
        cuda::matrix_completion_transform(at<T>(a[0]), n[0], n[1], at<double>(a[1]), *at<double>(a[2])));
  };
}

template <class T>
void add_completion(const std::string& types) {
  add_completion_steps<T>(types);
  add_completion_products<T>(types);
}

void add_completion_sort() {
  table["matrix_completion_sort"] = [](const index_t* n, void* const* a, double* out) {
    out[0] = double(cuda::matrix_completion_sort(at<std::int32_t>(a[0]), n[0], n[1], at<std::int32_t>(a[1]),
                                                 at<double>(a[2]), at<double>(a[3]), at<index_t>(a[4]),
                                                 at<std::int32_t>(a[5]), at<double>(a[6]), at<double>(a[7])));
  };
}

}  // namespace
