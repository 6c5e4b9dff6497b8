// The part of GCC's OpenMP runtime that csrc uses, on std::thread, so that the thread sanitizer sees its
// synchronisation. libgomp itself waits on futexes in code that is not instrumented: under it every parallel
// region looks like a race. `make tsan` links this library in its place; nothing else uses it.
#include <algorithm>
#include <barrier>
#include <cstdlib>
#include <thread>
#include <vector>

namespace {
struct region {
  std::barrier<>* waiting = nullptr;
  int thread = 0, threads = 1;
};
thread_local region here;

int threads_allowed() {
  const char* text = std::getenv("OMP_NUM_THREADS");
  const int given = text ? std::atoi(text) : 0;
  return given > 0 ? given : std::max(1, int(std::thread::hardware_concurrency()));
}
thread_local int n_max = threads_allowed();
}  // namespace

extern "C" {
void GOMP_parallel(void (*body)(void*), void* data, unsigned wanted, unsigned) {
  const bool nested = here.waiting != nullptr;
  const int threads = nested ? 1 : wanted > 0 ? int(wanted) : n_max;
  std::barrier<> waiting(threads);
  const region outer = here;
  auto run = [&](int thread) {
    here = {&waiting, thread, threads};
    body(data);
    here = outer;
  };
  std::vector<std::thread> team;
  for (int thread = 1; thread < threads; ++thread) team.emplace_back(run, thread);
  run(0);
  for (std::thread& other : team) other.join();
}

void GOMP_barrier() {
  if (here.waiting) here.waiting->arrive_and_wait();
}

int omp_get_thread_num() { return here.thread; }
int omp_get_num_threads() { return here.threads; }
int omp_get_max_threads() { return n_max; }
void omp_set_num_threads(int threads) { n_max = std::max(1, threads); }
int omp_in_parallel() { return here.waiting != nullptr; }
int omp_get_num_procs() { return std::max(1, int(std::thread::hardware_concurrency())); }
}
