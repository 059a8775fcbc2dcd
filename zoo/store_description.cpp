#include <set>

#include <nlohmann/json.hpp>

#include "weft/core/hash.h"
#include "weft/io/csv.h"
#include "weft/io/gzip.h"
#include "weft/zoo/store_format.h"

namespace weft {

HyperParameter HyperParameter::numbers(std::string name, std::string meaning, std::span<const double> values) {
  HyperParameter result{std::move(name), std::move(meaning), {}};
  for (double value : values) result.values.push_back(number_text(value));
  return result;
}

namespace zoo_format {
namespace {

using Json = nlohmann::ordered_json;

/// The fields of a JSON object, checked one by one.
class Reader {
 public:
  Reader(const Json& json, const std::filesystem::path& path, std::string where)
      : json_(json), path_(path), where_(std::move(where)) {
    if (!json_.is_object()) fail(path_, "{} is no JSON object", where_);
  }

  template <class T>
  T get(const char* key) const {
    const Json& value = at(key);
    constexpr bool number = std::is_integral_v<T>;
    if (number ? !value.is_number_unsigned() : !value.is_string())
      fail(path_, "'{}' of {} is {}; allowed: {}", key, where_,
           value.is_structured() ? value.type_name() : value.dump(), number ? "a non-negative integer" : "a string");
    return value.template get<T>();
  }
  const Json& at(const char* key) const {
    const auto found = json_.find(key);
    if (found == json_.end()) fail(path_, "{} has no '{}'", where_, key);
    return *found;
  }

 private:
  const Json& json_;
  const std::filesystem::path& path_;
  std::string where_;
};

void check(const ZooDescription& d) {
  if (d.space.tensors().empty()) throw UsageError("[zoo] the space has no tensor");
  for (const SpaceTensor& t : d.space.tensors())
    if (t.name.starts_with("table."))
      throw UsageError("[zoo] the space has a tensor '{}'; names that begin with 'table.' are the table's", t.name);
  if (d.networks < 1 || d.networks >= index_end)
    throw UsageError("[zoo] {} networks; allowed: 1 to {}", d.networks, index_end - 1);
  for (const HyperParameter& h : d.hyper_parameters)
    if (static_cast<std::int64_t>(h.values.size()) != d.networks)
      throw UsageError("[zoo] hyper-parameter {}: {} values for {} networks", in_quotes(h.name), h.values.size(),
                       d.networks);
  if (d.checkpoints.size() > 255) throw UsageError("[zoo] {} checkpoints; allowed: up to 255", d.checkpoints.size());
  std::set<std::string_view> seen;
  const auto all = columns(d);
  for (const Column& c : all)
    if (!seen.insert(c.name).second) throw UsageError("[zoo] two columns of the table are named {}", in_quotes(c.name));
}

Json parse(const std::filesystem::path& path) {
  const auto bytes = read_file(path);
  const auto* text = reinterpret_cast<const char*>(bytes.data());
  try {
    return Json::parse(text, text + bytes.size());
  } catch (const Json::exception& error) {
    fail(path, "not JSON: {}", error.what());
  }
}

}  // namespace

std::vector<Column> columns(const ZooDescription& description) {
  std::vector<Column> all{{"id", "number of the checkpoint, in table and shards"},
                          {"network", "number of the network; its checkpoints share splits and hyper-parameters"},
                          {"epoch", "epochs trained"}};
  if (!description.checkpoints.empty())
    all.push_back({"checkpoint", "percent of the epochs, or best: of all epochs the best on held-out items"});
  for (std::size_t k = 0; k < Splits{}.size(); ++k)
    all.push_back({fmt::format("split_{}", k), "train, val or test: a seeded split 70/15/15 by network"});
  all.push_back({"diverged", "1: training ran to infinity, the weights are the last finite ones"});
  all.push_back({"accuracy", "share of the test items classified correctly"});
  all.push_back({"loss", "mean loss over the test items"});
  all.push_back({"train_accuracy", "share of the training items classified correctly; nan: not measured"});
  all.push_back({"seed", "seed of everything random in the zoo"});
  for (const HyperParameter& h : description.hyper_parameters) all.push_back({h.name, h.meaning});
  return all;
}

std::string hash_of_values(const std::vector<HyperParameter>& hyper_parameters) {
  Hash hash;
  for (const HyperParameter& h : hyper_parameters)
    for (const std::string& value : h.values) hash.add(fmt::format("{}:{},", value.size(), value));
  return fmt::format("{:016x}", hash.value());
}

std::string description_text(const ZooDescription& d) {
  check(d);
  Json json{{"schema", schema},
            {"generator", d.generator},
            {"architecture", d.architecture},
            {"activation", d.activation},
            {"space", d.space.str()},
            {"data", {{"name", d.data_name}, {"hash", d.data_hash}}},
            {"seed", d.seed},
            {"networks", d.networks},
            {"settings", Json::object()},
            {"hyper_parameters_hash", hash_of_values(d.hyper_parameters)},
            {"columns", Json::array()}};
  if (!d.checkpoints.empty()) json["checkpoints"] = d.checkpoints;
  for (const auto& [key, value] : d.settings) json["settings"][key] = value;
  for (const Column& c : columns(d)) json["columns"].push_back({{"name", c.name}, {"meaning", c.meaning}});
  try {
    return json.dump(2) + "\n";
  } catch (const Json::exception&) {
    throw UsageError("[zoo] the description holds text that is not UTF-8");
  }
}

ZooDescription read_description(const std::filesystem::path& path, std::string& values_hash) {
  const Json json = parse(path);
  const Reader top(json, path, "the file");
  if (const auto found = top.get<std::int64_t>("schema"); found != schema)
    fail(path, "schema {}; this weft reads {}: use the version that wrote it ({})", found, schema,
         top.get<std::string>("generator"));
  ZooDescription d;
  d.generator = top.get<std::string>("generator");
  d.architecture = top.get<std::string>("architecture");
  d.activation = top.get<std::string>("activation");
  try {
    d.space = Space::parse(top.get<std::string>("space"));
  } catch (const ParseError& error) {
    fail(path, "'space': {}", error.what());
  }
  const Reader data(top.at("data"), path, "'data'");
  d.data_name = data.get<std::string>("name");
  d.data_hash = data.get<std::string>("hash");
  d.seed = top.get<std::uint64_t>("seed");
  d.networks = top.get<std::int64_t>("networks");
  if (d.networks < 1 || d.networks >= index_end) fail(path, "{} networks; allowed: 1 to {}", d.networks, index_end - 1);
  const Reader settings(top.at("settings"), path, "'settings'");
  for (const auto& [key, value] : top.at("settings").items()) d.settings[key] = settings.get<std::string>(key.c_str());
  if (json.contains("checkpoints"))
    for (const Json& name : json["checkpoints"]) {
      if (!name.is_string() || d.checkpoints.size() == 255)
        fail(path, "'checkpoints' are {}; allowed: up to 255 strings", json["checkpoints"].dump());
      d.checkpoints.push_back(name.get<std::string>());
    }
  values_hash = top.get<std::string>("hyper_parameters_hash");

  std::vector<Column> found;
  for (const Json& column : top.at("columns")) {
    const Reader reader(column, path, fmt::format("column {}", found.size()));
    found.push_back({reader.get<std::string>("name"), reader.get<std::string>("meaning")});
  }
  const std::vector<Column> fixed = columns(d);
  for (std::size_t c = 0; c < fixed.size(); ++c)
    if (c >= found.size() || found[c].name != fixed[c].name)
      fail(path, "column {} is {}; schema {} has '{}' there", c,
           c < found.size() ? in_quotes(found[c].name) : "missing", schema, fixed[c].name);
  for (std::size_t c = fixed.size(); c < found.size(); ++c)
    d.hyper_parameters.push_back({std::move(found[c].name), std::move(found[c].meaning), {}});
  return d;
}

std::string first_difference(const std::string& there, const std::string& here) {
  const auto a = nlohmann::json::parse(there, nullptr, false), b = nlohmann::json::parse(here);
  if (a.is_discarded()) return "the text there is not JSON";
  const auto changes = nlohmann::json::diff(a, b);
  if (changes.empty()) return {};
  const auto place = changes[0]["path"].get<std::string>();
  const auto shown = [&](const nlohmann::json& json) {
    const nlohmann::json::json_pointer at(place);
    return json.contains(at) ? json.at(at).dump() : std::string("missing");
  };
  return fmt::format("{} is {} there and {} here", place, shown(a), shown(b));
}

}  // namespace zoo_format
}  // namespace weft
