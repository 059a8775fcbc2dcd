#include "weft/apps/verify.h"

#include <fmt/format.h>

#include "weft/apps/colour.h"
#include "weft/apps/run_folder.h"
#include "weft/tasks/model_file.h"

namespace weft::apps {

namespace {

std::string verdict(bool passed, const std::string& pass) {
  return coloured(stdout, passed ? Colour::good : Colour::bad, passed ? pass : "FAIL");
}

/// Where --out says, else in the folder of the run that the model is of. There nothing is lost: another result, say of
/// another dtype, is only replaced when that is asked for.
void save(const VerifyOptions& o, const std::filesystem::path& folder, const Json& json, const Common& common) {
  if (!o.out.empty()) return write_json(o.out, json);
  if (!std::filesystem::exists(folder / run_file)) return;
  const std::filesystem::path file = folder / verify_file;
  if (std::filesystem::exists(file) && !o.force) {
    if (read_json(file) != json)
      common.remark(fmt::format("'{}' holds another result and stays; --force replaces it", file.string()));
    return;
  }
  write_json(file, json);
}

}  // namespace

int verify(const VerifyOptions& o, const Common& common) {
  const DType dtype = o.dtype == name(DType::f64) ? DType::f64 : DType::f32;
  if (dtype == DType::f64 && common.products != name(ProductPrecision::full))
    throw UsageError("[verify] --products {} with --dtype float64, whose products are full; give --dtype float32",
                     common.products);
  const std::filesystem::path path = model_path(o.model);
  const LoadedModel loaded = load_model(path, dtype, common.backend);
  if (!o.out.empty()) check_output_file({o.out, o.force}, {path});
  const Reader& model = *loaded.model;
  const std::vector<VerifyRow> rows = verify_invariance(model, common.seed);
  bool passed = true;
  for (const VerifyRow& row : rows) passed &= row.passed;
  const Json json = {{"model", model.kind()}, {"space", model.space().str()},
                     {"dtype", o.dtype},      {"products", common.products},
                     {"passed", passed},      {"checks", to_json(rows)}};
  save(o, path.parent_path(), json, common);
  if (common.json) {
    fmt::print("{}\n", json.dump(1));
    return passed ? exit_ok : exit_fail;
  }
  if (!common.quiet) {
    fmt::print("{} on networks of\n  {}\n", model.kind(), model.space().str());
    const std::string proof = model.proof();
    if (o.proof) fmt::print("\n{}\n", proof.empty() ? "a baseline has no terms to prove" : proof);
    fmt::print("{:<36} {:<20} {:>10}  {:>8}\n", "random elements, " + o.dtype, "group", "error", "bound");
    for (const VerifyRow& row : rows)
      fmt::print("{:<36} {:<20} {:>10.1e}  {} {:.0e}  {}\n", row.check, row.group, row.error, row.control ? ">" : "<",
                 row.bound, verdict(row.passed, "pass"));
    if (!proof.empty()) fmt::print("every term of every layer is proved from its indices (--proof prints it)\n");
    fmt::print("{}\n", verdict(passed, "PASS"));
  }
  return passed ? exit_ok : exit_fail;
}

void add_verify(CLI::App& app, Common& common, Run& run) {
  CLI::App& verb =
      add_verb(app, common, "verify", "Prove that a model respects the symmetries of the networks that it reads",
               "  weft verify --model run\n"
               "  weft verify --model run --proof     also every index of every term with the rule that allows it",
               Runs::on_devices);
  auto o = std::make_shared<VerifyOptions>();
  verb.add_option("model,--model", o->model, "a model, or the folder that weft train wrote")
      ->required()
      ->type_name("PATH");
  verb.add_flag("--proof", o->proof, "print the proof term by term");
  verb.add_option("--dtype", o->dtype, "what the model computes in; errors stay below 1e-9 in float64, 1e-4 in float32")
      ->check(CLI::IsMember({name(DType::f64), name(DType::f32)}));
  verb.add_option("--out", o->out, "JSON file for the table; verify.json in the model's run when not given")
      ->type_name("FILE");
  verb.add_flag("--force", o->force, "replace what is there");
  verb.callback([o, &common, &run] { run = [o, &common] { return verify(*o, common); }; });
}

}  // namespace weft::apps
