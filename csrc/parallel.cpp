#include "parallel.hpp"

#include <atomic>
#if defined(__unix__)
#include <pthread.h>
#endif

namespace pysolve::cpu {
namespace {

// The one piece of process-wide state: whether this process is a child forked after the module was loaded.
// libgomp waits for ever in such a child for threads that only the parent has.
std::atomic<bool> forked{false};

#if defined(__unix__) && defined(_OPENMP)
const int registered = pthread_atfork(nullptr, nullptr, [] { forked = true; });
#endif

}  // namespace

int n_threads(index_t bytes) {
#if defined(_OPENMP)
  if (bytes < 2 * bytes_per_thread || forked || omp_in_parallel()) return 1;
  return static_cast<int>(std::min<index_t>(omp_get_max_threads(), bytes / bytes_per_thread));
#else
  (void)bytes;
  return 1;
#endif
}

}  // namespace pysolve::cpu
