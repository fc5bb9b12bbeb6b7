// A verilated design behind a table of C functions. A design's ports are numbered in the order of its Verilog.
#include <cstdint>
#include <memory>
#include <verilated.h>

extern "C" struct KvcpuFunctions {
    void *(*make)(uint32_t seed);
    void (*drop)(void *);
    void (*eval)(void *);
    void (*set)(void *, uint32_t port, uint64_t value);
    uint64_t (*get)(void *, uint32_t port);
};

// A model in a context of its own, so that models do not share time or randomness.
template <class Model> struct KvcpuDesign {
    VerilatedContext context;
    std::unique_ptr<Model> model;

    explicit KvcpuDesign(uint32_t seed) {
        context.randSeed(static_cast<int>(seed));
        context.randReset(2);
        model = std::make_unique<Model>(&context);
    }
};
