-- What a call and a list look for in a full database, each by an index of its own.

-- The steps of resolution; none reads the rows of other people or mentors.
CREATE INDEX connections_of_people ON connections (server_id, tenant_id, user_id) WHERE scope = 'user';
CREATE INDEX connections_of_mentors ON connections (server_id, tenant_id, mentor_id) WHERE scope = 'mentor';
CREATE INDEX connections_of_tenants ON connections (server_id, tenant_id) WHERE scope = 'platform';
-- Lists of connections, newest first; what goes with a server, a person, a mentor or a grant begins with it. The columns
-- after the number are what a list is narrowed to, so that counting reads no row.
DROP INDEX connections_by_tenant;
CREATE INDEX connections_by_tenant
    ON connections (tenant_id, created_at, id, scope, auth_type, is_active, server_id, user_id, mentor_id);
DROP INDEX connections_by_server;
CREATE INDEX connections_by_server ON connections (server_id, tenant_id, created_at, id);
CREATE INDEX connections_by_user ON connections (user_id, tenant_id, created_at, id, scope);
CREATE INDEX connections_by_mentor ON connections (mentor_id, tenant_id, created_at, id);
CREATE INDEX connections_by_grant ON connections (connected_service_id);
-- What goes with a mentor; and the mark of all records, which is read each second.
CREATE INDEX servers_by_mentor ON servers (mentor_id);
CREATE INDEX servers_by_version ON servers (version, id);
-- Lists of audit rows. An index costs every call, so what most calls have in common is left out of its index: actors,
-- objects, failures and what is no call to a tool are in partial ones. A call that goes well grows each index at its end or
-- at few places; request ids do too, since ours begin with the time. What has no index of its own is looked for in the first,
-- without reading the rows.
DROP INDEX audit_by_tenant;
CREATE INDEX audit_by_tenant ON audit (tenant_id, id, at, action, outcome, step);
CREATE INDEX audit_by_server ON audit (tenant_id, server_id, id);
CREATE INDEX audit_by_person ON audit (tenant_id, username, id);
CREATE INDEX audit_by_mentor ON audit (tenant_id, mentor, id);
CREATE INDEX audit_by_tool ON audit (tenant_id, tool, id);
CREATE INDEX audit_by_request ON audit (tenant_id, request_id, id);
CREATE INDEX audit_by_actor ON audit (tenant_id, actor, id) WHERE actor <> '';
CREATE INDEX audit_by_action ON audit (tenant_id, action, id) WHERE action <> 'tools/call';
CREATE INDEX audit_by_object ON audit (tenant_id, object, id) WHERE object <> '';
CREATE INDEX audit_by_outcome ON audit (tenant_id, outcome, id) WHERE outcome <> 'ok';
-- Lists of what webhooks and mails are on their way.
CREATE INDEX webhook_deliveries_by_webhook ON webhook_deliveries (webhook_id, id, state);
DROP INDEX mails_by_tenant;
CREATE INDEX mails_by_tenant ON mails (tenant_id, id, state);
DROP INDEX mails_by_campaign;
CREATE INDEX mails_by_campaign ON mails (tenant_id, campaign, id, state);
