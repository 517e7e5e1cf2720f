// SPDX-License-Identifier: Apache-2.0
// An outside program in C++17, on nncf.hpp: gradients of a masked layer against finite differences,
// a training with masks and 8-bit codes, refusals as exceptions, and who destroys what.
#include "program.hpp"

namespace
{

// The allocator of a context: how many blocks are out.
struct blocks {
    long count = 0;
};

nncf_context_params counting(blocks &b)
{
    auto params = nncf::params<nncf_context_params>();
    params.n_threads = 2;
    params.alloc_user = &b;
    params.alloc = [](void *user, std::size_t size, std::size_t align) -> void * {
        align = align < sizeof(void *) ? sizeof(void *) : align;
        void *block = std::aligned_alloc(align, (size + align - 1) / align * align);
        static_cast<blocks *>(user)->count += block != nullptr;
        return block;
    };
    params.free = [](void *user, void *block, std::size_t) {
        static_cast<blocks *>(user)->count -= block != nullptr;
        std::free(block);
    };
    return params;
}

// Half of the weights masked by magnitude, nothing quantized: the loss is a polynomial of the
// weights, whose gradient central differences give up to rounding.
void check_gradients(const nncf::context &context)
{
    enum { N = 5, IN = 6, OUT = 4 };
    auto weight = random(OUT * IN, 1.0f), bias = random(OUT, 1.0f), x = random(N * IN, 1.0f);
    std::vector<float> weight_grad(weight.size()), bias_grad(bias.size()), y(N * OUT), dy(N * OUT),
        dx(x.size());
    nncf::tensor tx(x, {N, IN}), ty(y, {N, OUT}), tdy(dy, {N, OUT}), tdx(dx, {N, IN});
    auto config = nncf::config::parse(R"({ "compression": { "algorithm": "magnitude_sparsity",
        "params": { "sparsity_init": 0.5, "sparsity_target": 0.5 } } })");
    nncf::model model(context);
    auto fc = nncf::params<nncf_linear_params>();
    fc.scope = "Net/Linear[fc]";
    fc.weight = weight.data();
    fc.weight_grad = weight_grad.data();
    fc.bias = bias.data();
    fc.bias_grad = bias_grad.data();
    fc.in_features = IN;
    fc.out_features = OUT;
    nncf::layer layer = model.add(nncf_model_add_linear, fc);
    nncf::ctrl ctrl(model, config);

    auto loss = [&] {
        layer.forward(tx, ty);
        double sum = 0.0;
        for (float v : y)
            sum += 0.5 * double(v) * double(v);
        return sum;
    };
    loss();
    dy = y;
    layer.backward(tx, tdy, tdx);
    std::size_t zeros = 0;
    auto compare = [&](std::vector<float> &values, const std::vector<float> &grad) {
        for (std::size_t i = 0; i < values.size(); i++) {
            const float h = 1.0f / 64, value = values[i];
            values[i] = value + h;
            double above = loss();
            values[i] = value - h;
            double expected = (above - loss()) / (2 * double(h));
            values[i] = value;
            REQUIRE(std::fabs(expected - double(grad[i])) < 2e-4);
            zeros += expected == 0.0;
        }
    };
    compare(weight, weight_grad);
    REQUIRE(zeros == OUT * IN / 2); // the masked ones
    compare(bias, bias_grad);
    compare(x, dx);
    REQUIRE(ctrl.statistics().sparsity == 0.5);
    REQUIRE(ctrl.stage(0).staged == 0);
}

// Two layers with masks at random and all in 8 bits, codes between them.
struct network {
    enum { BATCH = 32, IN = 64, HIDDEN = 32, CLASSES = 4 };
    std::vector<float> w1 = random(HIDDEN * IN, 0.125f), w2 = random(CLASSES * HIDDEN, 0.175f);
    std::vector<float> dw1, dw2, b1, db1, b2, db2;
    std::vector<float> x, hidden, dhidden, y, dy;
    std::vector<std::uint8_t> codes;
    nncf::model model;
    nncf::layer first, second;
    nncf::ctrl ctrl;

    network(const nncf::context &context, const nncf::config &config)
        : dw1(w1.size()), dw2(w2.size()), b1(HIDDEN), db1(HIDDEN), b2(CLASSES), db2(CLASSES),
          x(BATCH * IN), hidden(BATCH * HIDDEN), dhidden(BATCH * HIDDEN), y(BATCH * CLASSES),
          dy(BATCH * CLASSES), codes(BATCH * HIDDEN), model(context)
    {
        auto fc = nncf::params<nncf_linear_params>();
        fc.scope = "Net/Linear[fc1]";
        fc.weight = w1.data();
        fc.weight_grad = dw1.data();
        fc.bias = b1.data();
        fc.bias_grad = db1.data();
        fc.in_features = IN;
        fc.out_features = HIDDEN;
        fc.activation = NNCF_ACTIVATION_RELU;
        first = model.add(nncf_model_add_linear, fc);
        fc = nncf::params<nncf_linear_params>();
        fc.scope = "Net/Linear[fc2]";
        fc.weight = w2.data();
        fc.weight_grad = dw2.data();
        fc.bias = b2.data();
        fc.bias_grad = db2.data();
        fc.in_features = HIDDEN;
        fc.out_features = CLASSES;
        second = model.add(nncf_model_add_linear, fc, {first});
        ctrl = nncf::ctrl(model, config);
    }

    void next_batch() // class c: noise around +0.5 in its own quarter of the inputs
    {
        for (int i = 0; i < BATCH; i++)
            for (int k = 0; k < IN; k++)
                x[std::size_t(i * IN + k)] =
                    noise() + (k / (IN / CLASSES) == i % CLASSES ? 0.5f : 0.0f);
    }

    nncf::tensor between() // codes as soon as there are any
    {
        if (first.output_dtype() == NNCF_U8)
            return nncf::tensor(codes, {BATCH, HIDDEN});
        return nncf::tensor(hidden, {BATCH, HIDDEN});
    }

    nncf::tensor forward()
    {
        nncf::tensor tx(x, {BATCH, IN}), ty(y, {BATCH, CLASSES}), th = between();
        first.forward(tx, th);
        second.forward(th, ty);
        return th;
    }

    void descend(std::vector<float> &values, std::vector<float> &grad)
    {
        for (std::size_t i = 0; i < values.size(); i++) {
            values[i] -= 0.1f * grad[i];
            grad[i] = 0.0f;
        }
    }

    double step()
    {
        next_batch();
        ctrl.zero_grad();
        nncf::tensor th = forward(), tx(x, {BATCH, IN}), tdy(dy, {BATCH, CLASSES}),
                     tdh(dhidden, {BATCH, HIDDEN});
        double loss = 0.0;
        for (int i = 0; i < BATCH; i++) { // cross entropy
            float *out = &y[std::size_t(i * CLASSES)], *grad = &dy[std::size_t(i * CLASSES)];
            double sum = 0.0;
            for (int c = 0; c < CLASSES; c++)
                sum += std::exp(double(out[c]));
            for (int c = 0; c < CLASSES; c++)
                grad[c] =
                    float((std::exp(double(out[c])) / sum - (c == i % CLASSES)) / double(BATCH));
            loss += (std::log(sum) - double(out[i % CLASSES])) / double(BATCH);
        }
        ctrl.loss_backward();
        second.backward(th, tdy, tdh);
        first.backward(tx, tdh);
        descend(w1, dw1);
        descend(b1, db1);
        descend(w2, dw2);
        descend(b2, db2);
        for (nncf_parameter &p : ctrl.parameters())
            if (!p.frozen)
                for (std::size_t i = 0; i < p.count; i++)
                    p.data[i] -= (p.kind == NNCF_PARAMETER_MASK_LOGIT ? 40.0f : 0.01f) * p.grad[i];
        ctrl.step();
        return loss;
    }
};

const char compressed[] = R"({ "compression": [
    { "algorithm": "rb_sparsity", "params": { "sparsity_init": 0.01, // of the weights
      "sparsity_target": 0.5, "sparsity_steps": 4, "sparsity_training_steps": 8 } },
    { "algorithm": "quantization", "initializer": { "num_init_steps": 1 } } ] })";

void train(const nncf::context &context, const std::string &folder)
{
    auto config = nncf::config::parse(compressed, &context);
    network net(context, config);
    REQUIRE(net.model.size() == 2 && net.model[1].get() == net.second.get());
    REQUIRE(net.model.find("Net/Linear[fc1]").get() == net.first.get() && !net.model.find("Net/a"));
    REQUIRE(nncf::plan(net.model, config).format().find("Net/Linear[fc2]") != std::string::npos);
    REQUIRE((net.second.output_shape(net.between()) ==
        std::vector<std::int64_t>{network::BATCH, network::CLASSES}));
    REQUIRE(net.model.memory(nncf::tensor(net.x, {network::BATCH, network::IN})).library > 0);
    net.ctrl.initialize([&] {
        net.next_batch();
        net.forward();
    });
    REQUIRE(net.first.output_dtype() == NNCF_U8);

    double first = 0.0, last = 0.0;
    for (int epoch = 0; epoch < 8; epoch++, net.ctrl.epoch_step())
        for (int step = 0; step < 60; step++) {
            last = net.step();
            if (epoch + step == 0)
                first = last;
        }
    nncf_statistics stats = net.ctrl.statistics();
    std::printf("loss %.3f, then %.3f; sparsity %.3f\n", first, last, stats.sparsity);
    REQUIRE(last < 0.5 * first);
    REQUIRE(std::fabs(stats.sparsity - 0.5) < 0.1);
    REQUIRE(net.ctrl.format_statistics(NNCF_FORM_JSON).front() == '{');
    REQUIRE(net.ctrl.warnings().empty());
    network hasty(context, config);
    hasty.ctrl.step();
    REQUIRE(hasty.ctrl.warnings().size() == 1);
    REQUIRE(hasty.ctrl.warnings()[0].find("without initialization") != std::string::npos);

    // A snapshot, and a second network that goes on from it.
    std::string path = folder + "/net.safetensors";
    nncf_checkpoint_tensor w1{};
    w1.name = "w1";
    w1.tensor = *nncf::tensor(net.w1, {network::HIDDEN, network::IN}).get();
    const std::int64_t sizes[] = {network::HIDDEN, network::IN};
    w1.tensor.shape = sizes; // a struct of C that outlives the view
    net.ctrl.save(path, {w1});
    network other(context, config);
    nncf::checkpoint snapshot(path);
    w1.tensor.data = other.w1.data();
    snapshot.read({w1});
    snapshot.restore(other.ctrl);
    REQUIRE(other.w1 == net.w1 && other.ctrl.statistics().step == 480);
    REQUIRE(snapshot.find("w1").ndim == 2);
    REQUIRE(snapshot.names().size() > 1);
}

void refusals(const nncf::context &context, std::vector<std::string> &log)
{
    nncf::error bad = refused([&] {
        nncf::config::parse("{\n \"compression\": { \"algorithm\": \"quantisation\" } }", &context,
            nullptr, "mine.json");
    });
    REQUIRE(bad.status() == NNCF_E_CONFIG && bad.line() == 2 && bad.column() > 0);
    REQUIRE(std::string(bad.what()).rfind("mine.json:2:", 0) == 0);
    REQUIRE(std::string(bad.where()) == "compression.algorithm");
    REQUIRE(log.size() == 1 && log[0].find(bad.what()) != std::string::npos);

    auto config = nncf::config::parse(R"({ "lr": 0.5, "epochs": 300, "name": "a", "on": true })");
    REQUIRE(config.value<double>("lr") == 0.5 && config.value<int>("epochs") == 300);
    REQUIRE(config.value<std::string>("name") == "a" && config.value<bool>("on"));
    REQUIRE(config.value("steps", 7) == 7 && config.value("epochs", 7L) == 300);
    REQUIRE(refused([&] { config.value<double>("missing"); }).status() == NNCF_E_NOTFOUND);
    REQUIRE(refused([&] { config.value("name", 1.0); }).status() == NNCF_E_CONFIG);
    REQUIRE(refused([&] { config.value<std::uint8_t>("epochs"); }).line() == 1);
    REQUIRE(nncf::config::parse(config.dump()).dump() == config.dump());

    std::vector<float> five(5);
    REQUIRE(refused([&] { nncf::tensor(five, {2, 3}); }).status() == NNCF_E_SHAPE);
    REQUIRE(refused([&] { nncf::tensor(five.data(), {-1}); }).status() == NNCF_E_SHAPE);
    REQUIRE(refused([&] { nncf::tensor(five.data(), {1L << 62, 4}); }).status() == NNCF_E_SHAPE);
    REQUIRE(refused([&] {
        nncf::tensor(five, {5, 1, 1, 1, 1, 1, 1, 1, 1});
    }).status() == NNCF_E_LIMIT);
    nncf::tensor view(five, {5});
    REQUIRE(refused([&] { view.values<double>(); }).status() == NNCF_E_DTYPE);
    for (float &v : view.values<float>())
        v = 2.0f;
    REQUIRE(five[4] == 2.0f && view.size() == 5 && nncf::tensor(view).get()->shape[0] == 5);
    REQUIRE(nncf::tensor(view).get()->shape != view.get()->shape);

    nncf::model model(context);
    REQUIRE(refused([&] { nncf::ctrl(model, config); }).status() == NNCF_E_STATE); // no layers
    auto add = nncf::params<nncf_sum_params>();
    add.scope = "Net/__add___0";
    nncf::layer sum = model.add(nncf_model_add_sum, add);
    std::vector<float> a{1, 2}, b{3, 4}, y(2), da(2), db(2), dy{1, 1};
    nncf::tensor ty(y, {1, 2}), tdy(dy, {1, 2});
    sum.forward({nncf::tensor(a, {1, 2}), nncf::tensor(b, {1, 2})}, ty);
    REQUIRE((y == std::vector<float>{4, 6}));
    sum.backward({nncf::tensor(a, {1, 2}), nncf::tensor(b, {1, 2})}, tdy,
        {nncf::tensor(da, {1, 2}), nncf::tensor(db, {1, 2})});
    REQUIRE((da == std::vector<float>{1, 1} && db == da));
    nncf::error shape = refused([&] {
        sum.forward({nncf::tensor(a, {1, 2}), nncf::tensor(five, {1, 5})}, ty);
    });
    REQUIRE(shape.status() == NNCF_E_SHAPE && std::string(shape.where()) == "Net/__add___0");
    REQUIRE(refused([&] { sum.backward({ty, ty}, tdy, ty); }).status() == NNCF_E_ARG);
    nncf::call(nncf_layer_set_uses, sum, 2); // a function that the wrapper does not name
    REQUIRE(refused([&] { nncf::call(nncf_layer_select_use, sum, 2); }).status() == NNCF_E_ARG);
}

// Moves leave nothing behind, and what is gone is refused, not used.
void ownership()
{
    blocks count;
    {
        nncf::context context(counting(count));
        nncf::model model(context), other(context);
        REQUIRE(count.count > 0);
        nncf_model *c = model.get();
        other = std::move(model);
        REQUIRE(!model && other.get() == c);
        REQUIRE(refused([&] { model.set_mode(NNCF_MODE_EVAL); }).status() == NNCF_E_ARG);
        other.set_mode(NNCF_MODE_EVAL);
        REQUIRE(other.mode() == NNCF_MODE_EVAL);
        nncf::model third(std::move(other));
        nncf_model_destroy(third.release());
        nncf::context moved(std::move(context));
        REQUIRE(!context.get() && !moved.description().empty());
    }
    REQUIRE(count.count == 0);
    static_assert(!std::is_copy_constructible_v<nncf::model> &&
        std::is_nothrow_move_constructible_v<nncf::ctrl> &&
        std::is_nothrow_copy_constructible_v<nncf::error>);
}

} // namespace

int main(int argc, char **argv)
{
    if (argc != 2) {
        std::fprintf(stderr, "usage: program FOLDER   (for a snapshot)\n");
        return 2;
    }
    blocks count;
    std::vector<std::string> log;
    try {
        {
            nncf::context context(
                counting(count), [&](nncf_log_level level, std::string_view line) {
                    if (level == NNCF_LOG_ERROR)
                        log.emplace_back(line);
                    throw 1; // must not reach C
                });
            std::puts(context.description().c_str());
            refusals(context, log);
            check_gradients(context);
            train(context, argv[1]);
            training_loops(context);
        }
        ownership();
    } catch (const std::exception &e) {
        std::fprintf(stderr, "%s\n", e.what());
        return 1;
    }
    REQUIRE(count.count == 0);
    return 0;
}
