#include "weft/nfn/magep/terms.h"

#include <set>
#include <utility>

#include <fmt/format.h>

#include "weft/core/error.h"

namespace weft {
namespace {

/// Writes the statements of one list. Lets (spec 2.1, by the recursions of 2.4):
///   P{s}[j,q]       [W]^(s,0), the prefixes (W1 for s = 1)
///   S{t}[p,k]       [W]^(L,t), the suffixes (W{L} for t = L-1)
///   B{s}[j]         Σ_t [Wb]^(s,t)
///   WW{s}{t}[j,k]   [WW]^(s,0)(L,t)      bW{s}{t}[j,k]  [bW]^(s)(L,t)      tWW{s}, tbW{s} their traces for t = s
class Writer {
 public:
  explicit Writer(int layers) : L_(layers) {
    if (layers < 2) throw UsageError("[magep] {} layers; allowed: 2 or more", layers);
    for (int s = 2; s <= L_; ++s) line("P{}[j,q] := W{}[j,k] {}[k,q]", s, s, prefix(s - 1));
    for (int t = L_ - 2; t >= 0; --t) line("S{}[p,k] := {}[p,j] W{}[j,k]", t, suffix(t + 1), t + 1);
    line("B2[j] := W2[j,k] b1[k]");
    for (int s = 3; s <= L_; ++s) line("B{}[j] := W{}[j,k] b{}[k] + W{}[j,k] B{}[k]", s, s, s - 1, s, s - 1);
  }

  std::string prefix(int s) const { return s == 1 ? "W1" : fmt::format("P{}", s); }
  std::string suffix(int t) const { return t == L_ - 1 ? fmt::format("W{}", L_) : fmt::format("S{}", t); }

  std::string WW(int s, int t) {
    const std::string name = fmt::format("WW{}.{}", s, t);
    if (lets_.insert(name).second)
      line("{}[j,k] := {}[j,q] psi.WW.{}.{}[q,p] {}[p,k]", name, prefix(s), s, t, suffix(t));
    return name;
  }
  std::string bW(int s, int t) {
    const std::string name = fmt::format("bW{}.{}", s, t);
    if (lets_.insert(name).second) line("{}[j,k] := b{}[j] psi.bW.{}.{}[0,p] {}[p,k]", name, s, s, t, suffix(t));
    return name;
  }
  /// tr([WW]^(s,0)(L,s)), tr([bW]^(s)(L,s)): without forming the n_s x n_s matrix (spec 2.4).
  std::string trace_WW(int s) {
    const std::string name = fmt::format("tWW{}", s);
    if (lets_.insert(name).second) line("{} := {}[j,q] psi.WW.{}.{}[q,p] {}[p,j]", name, prefix(s), s, s, suffix(s));
    return name;
  }
  std::string trace_bW(int s) {
    const std::string name = fmt::format("tbW{}", s);
    if (lets_.insert(name).second) line("{} := b{}[j] psi.bW.{}.{}[0,p] {}[p,j]", name, s, s, s, suffix(s));
    return name;
  }

  /// Appends one statement.
  template <class... Args>
  void line(fmt::format_string<Args...> text, Args&&... args) {
    text_ += fmt::format(text, std::forward<Args>(args)...);
    text_ += '\n';
  }
  int L() const { return L_; }
  std::string text() const { return text_; }

 private:
  int L_;
  std::string text_;
  std::set<std::string> lets_;
};

void first_layer(Writer& w) {
  const std::string WW = w.WW(1, 0), bW = w.bW(1, 0);
  w.line("W1[j,k] += phi1[q,k] W1[j,q]");
  w.line("W1[j,k] += phi2[q,k] {}[j,q]", WW);
  w.line("W1[j,k] += phi3[q,k] {}[j,q]", bW);
  w.line("W1[j,k] += phi4[k] b1[j]");
  w.line("b1[j] += phi1[q] W1[j,q]");
  w.line("b1[j] += phi2[q] {}[j,q]", WW);
  w.line("b1[j] += phi3[q] {}[j,q]", bW);
  w.line("b1[j] += phi4 b1[j]");
}

void inner_layer(Writer& w, int i) {
  const std::string WW = w.WW(i, i - 1), bW = w.bW(i, i - 1), WW0 = w.WW(i, 0), bW0 = w.bW(i, 0);
  w.line("W{0}[j,k] += phi1 W{0}[j,k]", i);
  w.line("W{}[j,k] += phi2 {}[j,k]", i, WW);
  w.line("W{}[j,k] += phi3 {}[j,k]", i, bW);
  w.line("b{}[j] += phi1[q] {}[j,q]", i, w.prefix(i));
  w.line("b{}[j] += phi2[q] {}[j,q]", i, WW0);
  w.line("b{}[j] += phi3[q] {}[j,q]", i, bW0);
  w.line("b{0}[j] += phi4 B{0}[j]", i);
  w.line("b{0}[j] += phi5 b{0}[j]", i);
}

void last_layer(Writer& w) {
  const int L = w.L();
  const std::string WW = w.WW(L, L - 1), bW = w.bW(L, L - 1), WW0 = w.WW(L, 0), bW0 = w.bW(L, 0);
  w.line("W{0}[j,k] += phi1[p,j] W{0}[p,k]", L);
  w.line("W{}[j,k] += phi2[p,j] {}[p,k]", L, WW);
  w.line("W{}[j,k] += phi3[p,j] {}[p,k]", L, bW);
  w.line("b{}[j] += phi1[p,q,j] {}[p,q]", L, w.prefix(L));
  w.line("b{}[j] += phi2[p,q,j] {}[p,q]", L, WW0);
  w.line("b{}[j] += phi3[p,q,j] {}[p,q]", L, bW0);
  w.line("b{0}[j] += phi4[p,j] B{0}[p]", L);
  for (int s = 1; s < L; ++s) w.line("b{}[j] += phi5[{},j] {}", L, s - 1, w.trace_WW(s));
  for (int s = 1; s < L; ++s) w.line("b{}[j] += phi6[{},j] {}", L, s - 1, w.trace_bW(s));
  w.line("b{0}[j] += phi7[p,j] b{0}[p]", L);
  w.line("b{}[j] += phi8[j]", L);
}

}  // namespace

std::string magep_equivariant_terms(int layers) {
  Writer w(layers);
  first_layer(w);
  for (int i = 2; i < layers; ++i) inner_layer(w, i);
  last_layer(w);
  return w.text();
}

std::string magep_invariant_terms(int layers) {
  Writer w(layers);
  const int L = layers;
  const std::string WW = w.WW(L, 0), bW = w.bW(L, 0);
  w.line("y += phi1[p,q] {}[p,q]", WW);
  w.line("y += phi2[p,q] {}[p,q]", w.prefix(L));
  w.line("y += phi3[p,q] {}[p,q]", bW);
  w.line("y += phi4[p] B{}[p]", L);
  for (int s = 1; s < L; ++s) w.line("y += phi5[{}] {}", s - 1, w.trace_WW(s));
  for (int s = 1; s < L; ++s) w.line("y += phi6[{}] {}", s - 1, w.trace_bW(s));
  w.line("y += phi7[p] b{}[p]", L);
  w.line("y += phi8");
  return w.text();
}

}  // namespace weft
