#include "weft/tests/graph_reference.h"

#include <cmath>

#include <fmt/format.h>

#include "weft/nfn/magep/tables.h"

namespace weft::testing {
namespace {

using Vector = std::vector<double>;

/// The root mean square.
double norm(const Vector& x) {
  double sum = 0;
  for (const double v : x) sum += v * v;
  return std::sqrt(sum / static_cast<double>(x.size()));
}
Vector times(double s, Vector x) {
  for (double& v : x) v *= s;
  return x;
}
Vector plus(Vector x, const Vector& y) {
  for (std::size_t i = 0; i < x.size(); ++i) x[i] += y[i];
  return x;
}
Vector relu(Vector x) {
  for (double& v : x) v = std::max(v, 0.);
  return x;
}

/// One network: nodes by layer, edges by the layer that they lead to, [row][column].
struct Graph {
  std::vector<std::vector<Vector>> h;
  std::vector<std::vector<std::vector<Vector>>> e;
};

class Reference {
 public:
  Reference(const GraphNetwork& model, const GraphNetwork::Config& config)
      : model_(model), c_(config), widths_(magep::dense_widths("reference", model.space().without_taps())) {}

  Vector operator()(std::span<const Tensor> weights, std::int64_t network) const {
    Graph g = lifted(weights, network);
    for (std::int64_t t = 0; t < c_.rounds; ++t) take_round(g, fmt::format("rounds.{}", t), t + 1 < c_.rounds);
    return readout(g);
  }

 private:
  std::size_t layers() const { return widths_.size(); }
  static std::size_t size(std::int64_t n) { return static_cast<std::size_t>(n); }

  Tensor learned(const std::string& name) const { return model_.parameters().value(model_.parameters().find(name)); }
  Vector vector(const std::string& name) const {
    const Tensor t = learned(name);
    return {t.span<double>().begin(), t.span<double>().end()};
  }
  Vector mul(const std::string& name, const Vector& x) const {
    const Tensor m = learned(name);
    Vector y(size(m.dim(0)), 0.);
    for (std::size_t i = 0; i < y.size(); ++i)
      for (std::size_t k = 0; k < x.size(); ++k) y[i] += m.data<double>()[i * x.size() + k] * x[k];
    return y;
  }
  Vector column(const std::string& name, std::int64_t j) const {
    const Tensor m = learned(name);
    Vector y;
    for (std::int64_t i = 0; i < m.dim(0); ++i) y.push_back(m.data<double>()[i * m.dim(1) + j]);
    return y;
  }
  /// x / |x|, where scales are respected.
  Vector canonical(const Vector& x) const {
    const double n = norm(x);
    return !c_.scales ? x : n > 0 ? times(1 / n, x) : Vector(x.size(), 0.);
  }

  /// The first map of the numbers of tensor `name` at one place.
  Vector lift(const std::string& name, const Tensor& t, std::int64_t network, std::int64_t place) const {
    const std::int64_t places = t.numel() / (t.dim(0) * t.dim(1));
    Vector raw;
    for (std::int64_t k = 0; k < t.dim(1); ++k)
      raw.push_back(t.data<double>()[(network * t.dim(1) + k) * places + place]);
    const Vector y = mul(name + ".weight", raw);
    return c_.scales ? y : plus(y, vector(name + ".shift"));
  }

  Graph lifted(std::span<const Tensor> weights, std::int64_t network) const {
    Graph g{std::vector<std::vector<Vector>>(layers()), std::vector<std::vector<std::vector<Vector>>>(layers())};
    for (std::int64_t j = 0; j < widths_[0]; ++j) g.h[0].push_back(column("in.positions", j));
    for (std::size_t l = 1; l < layers(); ++l) {
      const std::string W = fmt::format("W{}", l), b = fmt::format("b{}", l);
      const Tensor &of_W = weights[size(model_.space().tensor(W))], &of_b = weights[size(model_.space().tensor(b))];
      for (std::int64_t i = 0; i < widths_[l]; ++i) {
        g.h[l].push_back(lift(b, of_b, network, i));
        if (l + 1 == layers()) g.h[l].back() = plus(g.h[l].back(), column("out.positions", i));
        auto& row = g.e[l].emplace_back();
        for (std::int64_t j = 0; j < widths_[l - 1]; ++j) row.push_back(lift(W, of_W, network, i * widths_[l - 1] + j));
      }
    }
    return g;
  }

  /// φ of `part` on an edge and its ends, with or without a last bias.
  Vector on_edge(const std::string& part, const Vector& e, const Vector& before, const Vector& behind) const {
    return mul(part + ".out",
               relu(plus(plus(mul(part + ".edge", canonical(e)), mul(part + ".before", canonical(before))),
                         plus(mul(part + ".behind", canonical(behind)), vector(part + ".bias")))));
  }

  void take_round(Graph& g, const std::string& name, bool updates_edges) const {
    auto heard = [&](std::size_t l) { return std::vector<Vector>(size(widths_[l]), Vector(size(c_.d), 0.)); };
    Graph next = g;
    for (std::size_t l = 0; l < layers(); ++l) {
      std::vector<Vector> forward = heard(l), backward = heard(l);
      for (std::size_t v = 0; v < g.h[l].size(); ++v) {
        if (l > 0)
          for (std::size_t u = 0; u < g.h[l - 1].size(); ++u) {
            const Vector &e = g.e[l][v][u], &from = g.h[l - 1][u];
            const double weight = (c_.scales ? norm(e) * norm(from) : 1) / static_cast<double>(g.h[l - 1].size());
            forward[v] = plus(forward[v], times(weight, on_edge(name + ".forward", e, from, g.h[l][v])));
          }
        if (l + 1 < layers())
          for (std::size_t w = 0; w < g.h[l + 1].size(); ++w) {
            const Vector &e = g.e[l + 1][w][v], &from = g.h[l + 1][w];
            double weight = 1 / static_cast<double>(g.h[l + 1].size());
            if (c_.scales) {
              double all = norm(from);
              for (std::size_t k = 0; k < g.h[l].size(); ++k)
                all += norm(g.e[l + 1][w][k]) * norm(g.h[l][k]) / static_cast<double>(g.h[l].size());
              weight *= norm(e) * norm(g.h[l][v]) * norm(g.h[l][v]) / all;
            }
            backward[v] = plus(backward[v], times(weight, on_edge(name + ".backward", e, g.h[l][v], from)));
          }
        next.h[l][v] = updated(name + ".node", g.h[l][v], forward[v], backward[v]);
      }
    }
    for (std::size_t l = 1; updates_edges && l < layers(); ++l)
      for (std::size_t i = 0; i < g.e[l].size(); ++i)
        for (std::size_t j = 0; j < g.e[l][i].size(); ++j) {
          const Vector& e = g.e[l][i][j];
          const Vector phi =
              plus(on_edge(name + ".edge", e, next.h[l - 1][j], next.h[l][i]), vector(name + ".edge.shift"));
          next.e[l][i][j] = plus(e, times(c_.scales ? norm(e) : 1, phi));
        }
    g = next;
  }

  Vector updated(const std::string& part, const Vector& h, const Vector& forward, const Vector& backward) const {
    const double all = c_.scales ? norm(h) + norm(forward) + norm(backward) : 1;
    if (all == 0) return h;
    const double s = 1 / all;
    const Vector hidden = relu(plus(plus(mul(part + ".own", times(s, h)), mul(part + ".forward", times(s, forward))),
                                    plus(mul(part + ".backward", times(s, backward)), vector(part + ".bias"))));
    return plus(h, times(all, plus(mul(part + ".out", hidden), vector(part + ".shift"))));
  }

  Vector readout(const Graph& g) const {
    Vector y;
    for (std::size_t l = 0; l < layers(); ++l) {
      Vector mean(size(c_.d), 0.);
      for (const Vector& h : g.h[l])
        mean = plus(mean, times(1 / static_cast<double>(g.h[l].size()), l > 0 && l + 1 < layers() ? canonical(h) : h));
      y.insert(y.end(), mean.begin(), mean.end());
    }
    for (int k = 0; k < 3; ++k) {
      y = plus(mul(fmt::format("readout.{}.weight", k), y), vector(fmt::format("readout.{}.bias", k)));
      if (k < 2) y = relu(y);
    }
    return y;
  }

  const GraphNetwork& model_;
  GraphNetwork::Config c_;
  std::vector<std::int64_t> widths_;
};

}  // namespace

Tensor graph_reference(const GraphNetwork& model, const GraphNetwork::Config& config, std::span<const Tensor> weights) {
  const std::int64_t batch = weights[0].dim(0);
  const Tensor y = Tensor::zeros({batch, config.outputs}, DType::f64);
  for (std::int64_t b = 0; b < batch; ++b) {
    const Vector one = Reference(model, config)(weights, b);
    std::copy(one.begin(), one.end(), y.data<double>() + b * config.outputs);
  }
  return y;
}

}  // namespace weft::testing
