// The sor_split of a backend, for the bindings.
#pragma once
#if defined(PYSOLVE_BACKEND_cpu)
#include "sor_split.hpp"
#else
#include "sor_device_split.hpp"
#endif
