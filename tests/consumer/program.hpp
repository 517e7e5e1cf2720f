// SPDX-License-Identifier: Apache-2.0
// What program.cpp and training.cpp share.
#ifndef NNCF_TESTS_PROGRAM_HPP
#define NNCF_TESTS_PROGRAM_HPP

#include <nncf/nncf.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#define REQUIRE(condition)                                                                         \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            std::fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition);         \
            std::exit(1);                                                                          \
        }                                                                                          \
    } while (0)

inline float noise() // uniform in -1..1, the same in every run
{
    static std::uint32_t state = 1;
    state = state * 1664525u + 1013904223u;
    return static_cast<float>(state >> 8) / 8388608.0f - 1.0f;
}

inline std::vector<float> random(std::size_t n, float size)
{
    std::vector<float> values(n);
    for (float &v : values)
        v = size * noise();
    return values;
}

template <class F> nncf::error refused(F &&f)
{
    try {
        f();
    } catch (const nncf::error &e) {
        return e;
    }
    std::fprintf(stderr, "was not refused\n");
    std::exit(1);
}

// training.cpp
void training_loops(const nncf::context &context);

#endif
