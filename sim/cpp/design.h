// A verilated design behind a table of C functions. A design's ports are numbered in the order of its Verilog; `clock`
// counts inputs and outputs apart.
#include <cstdint>
#include <memory>
#include <verilated.h>
#if VM_TRACE
#include <verilated_vcd_c.h>
#endif

extern "C" struct KvcpuFunctions {
    void *(*make)(uint32_t seed);
    void (*drop)(void *);
    void (*eval)(void *);
    void (*set)(void *, uint32_t port, uint64_t value);
    uint64_t (*get)(void *, uint32_t port);
    void (*clock)(void *, const uint64_t *inputs, uint64_t *outputs);
    bool (*trace)(void *, const char *path);
};

// A model in a context of its own, so that models do not share time or randomness.
template <class Model> struct KvcpuDesign {
    VerilatedContext context;
    std::unique_ptr<Model> model;
#if VM_TRACE
    // After the model, so that it is closed before the model goes.
    std::unique_ptr<VerilatedVcdC> vcd;
#endif

    explicit KvcpuDesign(uint32_t seed) {
        context.randSeed(static_cast<int>(seed));
        context.randReset(2);
        context.traceEverOn(VM_TRACE);
        model = std::make_unique<Model>(&context);
    }

    // Writes a VCD from now on; false if it cannot be written, or waveforms were not compiled in.
    bool trace(const char *path) {
#if VM_TRACE
        Verilated::threadContextp(&context);
        vcd = std::make_unique<VerilatedVcdC>();
        model->trace(vcd.get(), 99);
        vcd->open(path);
        return vcd->isOpen();
#else
        return false;
#endif
    }

    // Half a clock has passed.
    void dump() {
#if VM_TRACE
        if (vcd) {
            vcd->dump(context.time());
            context.timeInc(1);
        }
#endif
    }
};
