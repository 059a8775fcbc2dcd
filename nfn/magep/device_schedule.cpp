#include "weft/nfn/magep/device_schedule.h"

namespace weft::magep {
namespace {

/// Collects the learned tensors that the list has.
class Places {
 public:
  Places(const DeviceSizes& z, const Tables& t, Arena& host) : z_(z), t_(t) {
    const int L = z.L();
    all_ = numbers<LearnedTensor>(host, 14 * (L + 1));
    places_.mix = table_of<std::int64_t>(host, L + 1);
    for (auto*& part : places_.weight_part) part = table_of<std::int64_t>(host, L + 1);
    for (auto*& part : places_.psi_part) part = table_of<std::int64_t>(host, L + 1);
  }

  /// M_i and what it is packed from.
  void hidden(int i) {
    const auto columns = static_cast<int>(z_.stack_rows(i));
    const std::int64_t mix = places_.mix[i] = pack(z_.mix_rows(i) * columns);
    const PhiTable<int>& phi = t_.phi[static_cast<std::size_t>(i)];
    const int prefixes = z_.d * z_.inputs;
    std::int64_t at = mix + (i == 1 ? std::int64_t{z_.e} * z_.inputs * columns : 0);
    for (int m = 1; m <= (i == 1 ? 4 : 5); ++m) {
      const int size = m < 4 ? prefixes : z_.d;
      add({phi.b[m], {z_.e, size, 1, 1}, {columns, 1, 0, 0}, at, -1});
      at += size;
    }
    if (i > 1) return;
    at = mix;
    for (int m = from_W; m <= weight_terms; ++m) {
      const int size = m < 4 ? prefixes : z_.d;
      add({phi.W[m], {z_.e, size, z_.inputs, 1}, {z_.inputs * columns, 1, columns, 0}, at, -1});
      at += size;
    }
  }

  void inner_weight(int i) {
    for (int m = 1; m <= 3; ++m) {
      const std::int64_t to = places_.weight_part[m][i] = part(std::int64_t{z_.e} * z_.d);
      add({t_.phi[static_cast<std::size_t>(i)].W[m], {z_.e, z_.d, 1, 1}, {z_.d, 1, 0, 0}, -1, to});
    }
  }

  void last_weight() {
    const int n = z_.outputs, d = z_.d;
    const std::int64_t size = std::int64_t{z_.e} * d * n * n;
    for (int m = 1; m <= 3; ++m) {
      const std::int64_t to = places_.weight_part[m][z_.L()] = part(size), from = places_.last_mix[m] = pack(size);
      LearnedTensor phi{t_.phi.back().W[m], {z_.e, d, n, n}, {n * n * d, n, 1, d * n}, from, to};
      if (m > 1) phi.stride[1] = 1, phi.stride[2] = d;
      add(phi);
    }
  }

  /// All terms of the vector of layer L.
  void end() {
    const EndVector at(z_);
    const int outputs = z_.equivariant ? z_.outputs : 1, rows = z_.e * outputs;
    const std::int64_t mix = places_.mix[z_.L()] = pack(z_.end_size() * rows);
    const std::int64_t first[] = {at.prefix, at.WW, at.bW, at.Wb, at.trace_WW, at.trace_bW, at.b, at.size, at.size + 1};
    for (int m = 1; m <= bias_terms; ++m) {
      // I counts [WW] before the prefix.
      const int piece = z_.equivariant || m > 2 ? m - 1 : 2 - m;
      const auto size = static_cast<int>(first[piece + 1] - first[piece]);
      add({t_.phi.back().b[m], {z_.e, size, outputs, 1}, {outputs, rows, 1, 0}, mix + first[piece] * rows, -1});
    }
  }

  void psi() {
    for (int kind = 0; kind < Psi<float>::kinds; ++kind)
      for (int i = 1; i <= z_.L(); ++i) {
        const int number = t_.psi[kind][static_cast<std::size_t>(i)];
        const int size = z_.outputs * (kind % 2 == 0 ? z_.inputs : 1);
        if (number >= 0)
          add({number, {z_.d, size, 1, 1}, {size, 1, 0, 0}, -1, places_.psi_part[kind][i] = part(z_.d * size)});
      }
  }

  LearnedPlaces done() {
    places_.all = {all_, count_};
    return places_;
  }

 private:
  void add(const LearnedTensor& tensor) { new (all_ + count_++) LearnedTensor(tensor); }
  std::int64_t pack(std::int64_t size) {
    return std::exchange(places_.packed_size, places_.packed_size + padded(size));
  }
  std::int64_t part(std::int64_t size) { return std::exchange(places_.part_size, places_.part_size + size); }

  const DeviceSizes& z_;
  const Tables& t_;
  LearnedTensor* all_;
  std::size_t count_ = 0;
  LearnedPlaces places_{};
};

}  // namespace

LearnedPlaces place_learned(const DeviceSizes& z, const Tables& t, Arena& host) {
  Places places(z, t, host);
  if (z.equivariant) {
    for (int i = 1; i < z.L(); ++i) places.hidden(i);
    for (int i = 2; i < z.L(); ++i) places.inner_weight(i);
    places.last_weight();
  }
  places.end();
  places.psi();
  return places.done();
}

template <class T>
std::int64_t DeviceState<T>::features() const {
  std::int64_t n = 0;
  for (int i = 1; i <= z.L(); ++i) n += z.batch * z.d * (weight(i) + width(i));
  return n;
}

template <class T>
std::int64_t DeviceState<T>::hidden() const {
  std::int64_t n = 0;
  for (int i = 1; i < z.L(); ++i) n += z.mix_rows(i) * z.batch * width(i);
  return n;
}

template <class T>
std::int64_t DeviceState<T>::left() const {
  std::int64_t n = 0;
  for (int i = 2; i <= z.L(); ++i) n += z.batch * z.e * width(i) * z.d * z.rank();
  return n;
}

template struct DeviceState<float>;
template struct DeviceState<double>;

}  // namespace weft::magep
