// SPDX-License-Identifier: Apache-2.0
// The loops of training.hpp and parallel.hpp, and the controller's that came with them: an
// optimizer, accuracy-aware training, distillation, bits by sensitivity, stages, the removal of
// filters, ranks and replicas. What is computed is compared with closed forms.
#include "program.hpp"

#include <condition_variable>
#include <mutex>
#include <stdexcept>
#include <thread>

namespace
{

// Two linear layers with a relu between them, in floats.
struct network {
    enum { IN = 6, HIDDEN = 8, OUT = 3 };
    std::vector<float> w1, w2, dw1, dw2;
    nncf::model model;
    nncf::layer first, second;
    nncf::ctrl ctrl;

    network(const nncf::context &context, const char *json, const network *like = nullptr)
        : w1(like ? like->w1 : random(HIDDEN * IN, 0.5f)),
          w2(like ? like->w2 : random(OUT * HIDDEN, 0.5f)), dw1(w1.size()), dw2(w2.size()),
          model(context)
    {
        auto fc = nncf::params<nncf_linear_params>();
        fc.scope = "Net/Linear[fc1]";
        fc.weight = w1.data();
        fc.weight_grad = dw1.data();
        fc.in_features = IN;
        fc.out_features = HIDDEN;
        fc.activation = NNCF_ACTIVATION_RELU;
        first = model.add(nncf_model_add_linear, fc);
        fc = nncf::params<nncf_linear_params>();
        fc.scope = "Net/Linear[fc2]";
        fc.weight = w2.data();
        fc.weight_grad = dw2.data();
        fc.in_features = HIDDEN;
        fc.out_features = OUT;
        second = model.add(nncf_model_add_linear, fc, {first});
        if (json)
            ctrl = nncf::ctrl(model, nncf::config::parse(json, &context));
    }
};

// Forward and, unless it is left out, backward of sum(y^2) / 2 over the rows of x, on the model of
// a network or a replica.
void pass(nncf::model &model, const std::vector<float> &x, bool backward = true)
{
    const std::int64_t rows = std::int64_t(x.size()) / network::IN;
    std::vector<float> hidden(std::size_t(rows * network::HIDDEN)), dhidden(hidden),
        y(std::size_t(rows * network::OUT));
    nncf::tensor tx(x, {rows, network::IN}), th(hidden, {rows, network::HIDDEN}),
        tdh(dhidden, {rows, network::HIDDEN}), ty(y, {rows, network::OUT});
    model[0].forward(tx, th);
    model[1].forward(th, ty);
    if (!backward)
        return;
    std::vector<float> dy(y);
    nncf::tensor tdy(dy, {rows, network::OUT});
    model[1].backward(th, tdy, tdh);
    model[0].backward(tx, tdh);
}

void optimizer()
{
    std::vector<float> data{1, -2}, grad{0.5f, -4}, first(2), second(2);
    auto rule = nncf::params<nncf_optimizer_params>();
    rule.optimizer = NNCF_OPTIMIZER_ADAM;
    rule.step = 1;
    rule.clear_gradients = 1;
    nncf_optimizer_array array{};
    array.data = data.data();
    array.grad = grad.data();
    array.first = first.data();
    array.second = second.data();
    array.count = 2;
    array.lr = 0.125;
    nncf::optimizer_step(rule, {array});
    // the first step of Adam goes by the learning rate, against the sign of the gradient
    REQUIRE(std::fabs(data[0] - 0.875f) < 1e-6f && std::fabs(data[1] + 1.875f) < 1e-6f);
    REQUIRE((grad == std::vector<float>{0, 0}) && first[0] > 0.04f && first[0] < 0.06f);
    rule.step = 0;
    REQUIRE(refused([&] { nncf::optimizer_step(rule, {array}); }).status() == NNCF_E_ARG);
}

// Metrics and rates of a run of NNCF (tests/golden/accuracy_aware.json, its first case).
void search(const nncf::context &context)
{
    const char json[] = R"({ "nncf_dialect": "2.7", "accuracy_aware_training": {
        "mode": "adaptive_compression_level", "params": { "initial_training_phase_epochs": 2,
        "patience_epochs": 3, "maximal_total_epochs": 6, "initial_compression_rate_step": 0.2,
        "minimal_compression_rate_step": 0.025, "maximal_absolute_accuracy_degradation": 2 } },
        "compression": [ { "algorithm": "magnitude_sparsity", "sparsity_init": 0.1, "params": {
        "schedule": "multistep", "multistep_steps": [2],
        "multistep_sparsity_levels": [0.2, 0.4] } } ] })";
    const double metrics[] = {78.019, 78.228, 79.254, 78.834, 79.514, 78.94};
    const double rates[] = {0.2, 0.2, 0.4, 0.6, 0.8};
    auto config = nncf::config::parse(json, &context);
    network net(context, json);
    nncf::call(nncf_compression_ctrl_set_order, net.ctrl, NNCF_ORDER_BEFORE);
    nncf::accuracy_aware loop(net.ctrl, config, 80.0);
    for (int epoch = 0; epoch < 6; epoch++) {
        nncf_accuracy_aware_decision decision = loop.report(metrics[epoch]);
        REQUIRE((decision.stop != 0) == (epoch == 5) && decision.epochs == epoch);
        if (decision.set_rate)
            net.ctrl.set_compression_rate(decision.compression_rate);
        if (decision.stop)
            break;
        std::string state = loop.state();
        if (epoch == 2) // another process goes on
            loop = nncf::accuracy_aware(net.ctrl, config, 80.0, state);
        REQUIRE(loop.state() == state);
        net.ctrl.epoch_step();
        REQUIRE(std::fabs(net.ctrl.statistics().sparsity_target - rates[epoch]) < 1e-12);
    }
    REQUIRE(refused([&] { loop.report(1.0); }).status() == NNCF_E_STATE);
    auto without = nncf::config::parse(R"({ "compression": [] })");
    REQUIRE(
        refused([&] { nncf::accuracy_aware(net.ctrl, without, 1.0); }).status() == NNCF_E_CONFIG);
}

void distillation(const nncf::context &context)
{
    network net(context, R"({ "compression": [ { "algorithm": "knowledge_distillation",
        "type": "mse", "scale": 2 } ] })");
    std::vector<float> student{1, 2, 3}, teacher{1, 0, 4}, gradient{1, 1, 1};
    nncf::tensor s(student, {1, 3}), t(teacher, {1, 3}), d(gradient, {1, 3});
    // 2 / 3 * (0 + 4 + 1), and 4 / 3 * (s - t) is added
    REQUIRE(std::fabs(net.ctrl.distillation_backward(s, t, d) - 10.0 / 3) < 1e-6);
    REQUIRE(gradient[0] == 1 && std::fabs(gradient[1] - 11.0f / 3) < 1e-5f &&
        std::fabs(gradient[2] + 1.0f / 3) < 1e-5f);
}

void precision(const nncf::context &context)
{
    network net(context, R"({ "nncf_dialect": "1.5", "quantizer_setup_type": "pattern_based",
        "compression": { "algorithm": "quantization", "initializer": { "precision": {
        "type": "hawq", "bits": [4, 8], "iter_number": 2, "num_data_points": 4, "tolerance": 0,
        "compression_ratio": 1.2, "criterion": "host" } } } })");
    std::vector<float> x = random(2 * network::IN, 1.0f), before = net.w1;
    int asked = 0, fresh = 0, passes = 0;
    net.ctrl.set_precision_cost({});
    REQUIRE(refused([&] { net.ctrl.precision_step(); }).status() == NNCF_E_STATE);
    net.ctrl.set_precision_cost([&](nncf::layer of, std::int32_t weight, std::int32_t) {
        asked += of.scope().rfind("Net/Linear", 0) == 0;
        return double(weight);
    });
    nncf::ctrl moved(std::move(net.ctrl)); // and the function with it
    moved.choose_precision([&](bool next) {
        passes++;
        fresh += next;
        pass(net.model, x);
    });
    REQUIRE(passes > fresh && fresh > 0 && asked > 0 && net.w1 == before);
    REQUIRE(moved.format_precision(NNCF_FORM_JSON).find("bitwidth_per_scope") != std::string::npos);
    moved.stop_precision();
}

void stages(const nncf::context &context)
{
    network net(context, R"({ "nncf_dialect": "1.4", "compression": {
        "algorithm": "quantization", "initializer": { "range": { "num_init_steps": 1 } },
        "params": { "activations_quant_start_epoch": 1, "weights_quant_start_epoch": 2 } } })");
    nncf_stage stage = net.ctrl.stage(0.0);
    REQUIRE(stage.staged && !stage.activations && !stage.weights && stage.lr_factor == 1.0);
    std::vector<float> x = random(2 * network::IN, 1.0f);
    for (int epoch = 1; epoch < 3; epoch++) {
        pass(net.model, x);
        net.ctrl.step();
        net.ctrl.epoch_step();
        stage = net.ctrl.stage(0.0);
        REQUIRE(stage.activations && stage.weights == (epoch == 2) && stage.initialization_needed);
        net.ctrl.initialize([&] { pass(net.model, x, false); });
    }
    REQUIRE(!net.ctrl.stage(0.0).initialization_needed);
    net.ctrl.zero_grad();
    net.ctrl.update();
}

// A convolution whose filters are pruned, and one that reads it.
void removal(const nncf::context &context)
{
    enum { IN = 3, MIDDLE = 16, OUT = 4, SIDE = 5 };
    std::vector<float> w1 = random(MIDDLE * IN * 9, 0.5f), w2 = random(OUT * MIDDLE * 9, 0.5f),
                       dw1(w1.size()), dw2(w2.size()), momentum(w1);
    nncf::model model(context);
    auto conv = nncf::params<nncf_conv2d_params>();
    conv.scope = "Net/Conv2d[a]";
    conv.weight = w1.data();
    conv.weight_grad = dw1.data();
    conv.in_channels = IN;
    conv.out_channels = MIDDLE;
    conv.kernel[0] = conv.kernel[1] = 3;
    conv.padding[0] = conv.padding[1] = 1;
    conv.activation = NNCF_ACTIVATION_RELU;
    nncf::layer a = model.add(nncf_model_add_conv2d, conv);
    conv.scope = "Net/Conv2d[b]";
    conv.weight = w2.data();
    conv.weight_grad = dw2.data();
    conv.in_channels = MIDDLE;
    conv.out_channels = OUT;
    nncf::layer b = model.add(nncf_model_add_conv2d, conv, {a});
    nncf::ctrl ctrl(model,
        nncf::config::parse(R"({ "nncf_dialect": "2.4",
        "input_info": { "sample_size": [1, 3, 5, 5] }, "compression": [ {
        "algorithm": "filter_pruning", "params": { "schedule": "baseline", "pruning_target": 0.5,
        "prune_first_conv": true } } ] })",
            &context));
    std::vector<float> x = random(IN * SIDE * SIDE, 1.0f);
    auto forward = [&](std::int64_t middle) {
        std::vector<float> hidden(std::size_t(middle * SIDE * SIDE)), y(OUT * SIDE * SIDE);
        nncf::tensor th(hidden, {1, middle, SIDE, SIDE}), ty(y, {1, OUT, SIDE, SIDE});
        a.forward(nncf::tensor(x, {1, IN, SIDE, SIDE}), th);
        b.forward(th, ty);
        return y;
    };
    std::vector<float> masked = forward(MIDDLE);

    struct failure : std::runtime_error {
        failure() : std::runtime_error("no memory left for this")
        {
        }
    };
    std::size_t failures = 0;
    try {
        nncf::shrink(ctrl, [](nncf_shrink_array &) { throw failure(); });
    } catch (const failure &) {
        failures++;
    }
    REQUIRE(failures == 1 && forward(MIDDLE) == masked);

    std::vector<std::vector<float>> fresh;
    nncf::shrink(
        ctrl,
        [&](nncf_shrink_array &array) {
            fresh.emplace_back(nncf::new_size(array));
            array.new_data = fresh.back().data();
            fresh.emplace_back(nncf::new_size(array));
            array.new_grad = fresh.back().data();
        },
        [&](const nncf_shrink_array &array) {
            if (array.data == w1.data()) {
                momentum = nncf::gather(array, momentum);
                REQUIRE(momentum.size() == w1.size() / 2);
                REQUIRE(refused([&] { nncf::gather(array, momentum); }).status() == NNCF_E_SHAPE);
                // the momentum held the weights: it still does
                REQUIRE(std::equal(momentum.begin(), momentum.end(), array.new_data));
            }
        });
    REQUIRE(fresh.size() == 4);
    std::vector<float> small = forward(MIDDLE / 2);
    for (std::size_t i = 0; i < small.size(); i++)
        REQUIRE(std::fabs(small[i] - masked[i]) < 1e-5f);
    REQUIRE(refused([&] { nncf::shrink(ctrl); }).status() == NNCF_E_STATE);
}

// The sum of what two threads have, in place: each is a rank.
class exchange
{
  public:
    void sum(float *values, std::size_t count)
    {
        std::unique_lock<std::mutex> lock(mutex_);
        const long round = round_;
        if (arrived_ == 0) {
            total_.assign(values, values + count);
        } else {
            REQUIRE(count == total_.size());
            for (std::size_t i = 0; i < count; i++)
                total_[i] += values[i];
        }
        arrive(round, lock);
        std::copy(total_.begin(), total_.end(), values);
        arrive(round + 1, lock);
    }
    void reduce(void *values, std::size_t count, nncf_dtype dtype, nncf_reduction reduction)
    {
        std::unique_lock<std::mutex> lock(mutex_);
        const long round = round_;
        parts_[arrived_] = values;
        if (arrived_ == 1) {
            if (dtype == NNCF_F32)
                merge<float>(count, reduction);
            else if (dtype == NNCF_F64)
                merge<double>(count, reduction);
            else
                merge<std::int64_t>(count, reduction);
        }
        arrive(round, lock);
    }

  private:
    template <class T> void merge(std::size_t count, nncf_reduction reduction)
    {
        T *a = static_cast<T *>(parts_[0]), *b = static_cast<T *>(parts_[1]);
        for (std::size_t i = 0; i < count; i++)
            a[i] = b[i] = reduction == NNCF_REDUCE_SUM ? T(a[i] + b[i])
                : reduction == NNCF_REDUCE_MIN         ? std::min(a[i], b[i])
                                                       : std::max(a[i], b[i]);
    }
    void arrive(long round, std::unique_lock<std::mutex> &lock)
    {
        if (++arrived_ == 2) {
            arrived_ = 0;
            round_++;
            changed_.notify_all();
        }
        changed_.wait(lock, [&] { return round_ != round; });
    }
    std::mutex mutex_;
    std::condition_variable changed_;
    std::vector<float> total_;
    void *parts_[2] = {};
    std::size_t arrived_ = 0;
    long round_ = 0;
};

void two_ranks()
{
    const char sparse[] = R"({ "compression": { "algorithm": "magnitude_sparsity",
        "params": { "sparsity_init": 0.5, "sparsity_target": 0.5 } } })";
    auto params = nncf::params<nncf_context_params>();
    params.n_threads = 1;
    nncf::context contexts[2] = {nncf::context(params), nncf::context(params)};
    network first(contexts[0], sparse), second(contexts[1], sparse, &first);
    network *nets[2] = {&first, &second};
    REQUIRE(nncf::gradients(nets[0]->model).size() == 2);
    std::vector<float> x[2] = {random(4 * network::IN, 1.0f), random(4 * network::IN, 1.0f)},
                       sums[2];
    exchange wire;
    int out_of_step[2] = {0, 0};
    auto run = [&](int r) {
        nncf::ranks self(nets[r]->model, r, 2,
            [&](void *values, std::size_t count, nncf_dtype dtype, nncf_reduction reduction) {
                wire.reduce(values, count, dtype, reduction);
            });
        self.check();
        self.average_statistics();
        self.set_first_row(4 * r);
        pass(nets[r]->model, x[r]);
        sums[r] = nncf::pack_gradients(nets[r]->model);
        wire.sum(sums[r].data(), sums[r].size());
        nncf::unpack_gradients(nets[r]->model, sums[r], 0.5);
        if (r == 1)
            nets[r]->w2[0] += 1.0f;
        out_of_step[r] = refused([&] { self.check(); }).status() == NNCF_E_STATE;
        REQUIRE(!self.thrown());
    };
    std::thread other(run, 1);
    run(0);
    other.join();
    REQUIRE(out_of_step[0] && out_of_step[1] && nets[0]->dw1 == nets[1]->dw1);
    REQUIRE(nets[0]->dw1[0] == 0.5f * sums[0][sums[0].size() - nets[0]->dw1.size()]);
    sums[0].pop_back();
    REQUIRE(refused([&] { nncf::unpack_gradients(nets[0]->model, sums[0], 1.0); }).status() ==
        NNCF_E_SHAPE);

    nncf::ranks broken(nets[0]->model, 0, 2, [](void *, std::size_t, nncf_dtype, nncf_reduction) {
        throw std::runtime_error("the cable is out");
    });
    REQUIRE(refused([&] { broken.check(); }).status() == NNCF_E_CALLBACK && broken.thrown());
}

// The parts of a batch give the gradient of the whole.
void two_parts(const nncf::context &context)
{
    const char sparse[] = R"({ "compression": { "algorithm": "magnitude_sparsity",
        "params": { "sparsity_init": 0.5, "sparsity_target": 0.5 } } })";
    network net(context, sparse);
    std::vector<float> x = random(8 * network::IN, 1.0f);
    pass(net.model, x);
    const std::vector<float> whole = net.dw1;
    std::fill(net.dw1.begin(), net.dw1.end(), 0.0f);
    nncf::replicas parts(net.model, 1);
    REQUIRE(parts.size() == 2 && parts[1].find("Net/Linear[fc2]"));
    auto half = [&](std::size_t part) {
        return std::vector<float>(
            x.begin() + long(part) * 4 * network::IN, x.begin() + long(part + 1) * 4 * network::IN);
    };
    parts.run([&](std::size_t part, nncf::model &model) { pass(model, half(part)); });
    for (std::size_t i = 0; i < whole.size(); i++)
        REQUIRE(std::fabs(net.dw1[i] - whole[i]) < 1e-4f);
    bool thrown = false;
    try {
        parts.run([&](std::size_t part, nncf::model &model) {
            pass(model, half(part));
            if (part == 1)
                throw std::runtime_error("part 1");
        });
    } catch (const std::runtime_error &e) {
        thrown = std::string(e.what()) == "part 1";
    }
    REQUIRE(thrown);

    // The model may move, and so may its replicas.
    std::fill(net.dw1.begin(), net.dw1.end(), 0.0f);
    nncf_model *object = net.model.get();
    nncf::model elsewhere = std::move(net.model);
    nncf::replicas moved = std::move(parts);
    REQUIRE(moved[0].get() == object && moved.size() == 2);
    moved.run([&](std::size_t part, nncf::model &model) { pass(model, half(part)); });
    for (std::size_t i = 0; i < whole.size(); i++)
        REQUIRE(std::fabs(net.dw1[i] - whole[i]) < 1e-4f);
    parts = nncf::replicas(elsewhere, 2);
    REQUIRE(parts.size() == 3);
    parts = std::move(moved);
    REQUIRE(elsewhere.get() == object && parts[0].get() == object && parts.size() == 2);
}

} // namespace

void training_loops(const nncf::context &context)
{
    optimizer();
    search(context);
    distillation(context);
    precision(context);
    stages(context);
    removal(context);
    two_ranks();
    two_parts(context);
}
