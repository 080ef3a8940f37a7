#include "protocol/postgres/login_change_reader.hpp"

#include "protocol/postgres/tree_walk.hpp"

#include <string>

namespace protocol::postgres {
namespace {

/// Empty where the text does not tell the name: CURRENT_USER, ALL and the like.
std::string name_of(const PgQuery__RoleSpec* role) {
  if (role == nullptr || role->roletype != PG_QUERY__ROLE_SPEC_TYPE__ROLESPEC_CSTRING) return {};
  return role->rolename;
}

std::vector<LoginChange> read_renaming(const PgQuery__RenameStmt& rename) {
  if (rename.rename_type != PG_QUERY__OBJECT_TYPE__OBJECT_ROLE) return {};
  return {{rename.subname, {}}, {rename.newname, {}}};
}

/// What was granted on a database (CONNECT, TEMPORARY) and is not any more; TEMPORARY is looked up each time, but costs no less here.
std::vector<LoginChange> read_revocation(const PgQuery__GrantStmt& grant) {
  if (grant.is_grant != 0 || grant.objtype != PG_QUERY__OBJECT_TYPE__OBJECT_DATABASE) return {};
  std::vector<LoginChange> changes;
  for (std::size_t i = 0; i < grant.n_objects; ++i) changes.push_back({{}, std::string(read_string(grant.objects[i]))});
  return changes;
}

}  // namespace

std::vector<LoginChange> read_login_changes(const PgQuery__Node& statement) {
  switch (statement.node_case) {
    case PG_QUERY__NODE__NODE_CREATE_ROLE_STMT: return {{statement.create_role_stmt->role, {}}};
    case PG_QUERY__NODE__NODE_ALTER_ROLE_STMT: return {{name_of(statement.alter_role_stmt->role), {}}};
    case PG_QUERY__NODE__NODE_ALTER_ROLE_SET_STMT: {
      const PgQuery__AlterRoleSetStmt& set = *statement.alter_role_set_stmt;
      return {{name_of(set.role), set.database}};
    }
    case PG_QUERY__NODE__NODE_ALTER_DATABASE_SET_STMT: return {{{}, statement.alter_database_set_stmt->dbname}};
    case PG_QUERY__NODE__NODE_DROP_ROLE_STMT: {
      std::vector<LoginChange> changes;
      const PgQuery__DropRoleStmt& drop = *statement.drop_role_stmt;
      for (std::size_t i = 0; i < drop.n_roles; ++i) changes.push_back({name_of(drop.roles[i]->role_spec), {}});
      return changes;
    }
    case PG_QUERY__NODE__NODE_RENAME_STMT: return read_renaming(*statement.rename_stmt);
    case PG_QUERY__NODE__NODE_GRANT_STMT: return read_revocation(*statement.grant_stmt);
    default: return {};
  }
}

}  // namespace protocol::postgres
