import { stringify } from 'yaml';
import { apiKey } from '#clickhouse/ledger.ts';
import { apiKeys, tables } from '#clickhouse/tables.ts';
import { views } from '#clickhouse/views.ts';
import { onCall } from './on_call.ts';
import { provisionedDashboards, provisionedDatasource } from './source.ts';
import { usageAndSpend } from './usage_and_spend.ts';

const generated = 'Written by dashboards/main.ts; do not edit.';

/** Every file that this program writes: its path in this folder, and its text. */
export function files(): ReadonlyMap<string, string> {
  return new Map([
    ['provisioning/datasources/clickhouse.yml', yaml(provisionedDatasource)],
    ['provisioning/dashboards/gatemeter.yml', yaml(provisionedDashboards)],
    ['provisioning/dashboards/json/usage-and-spend.json', json(usageAndSpend())],
    ['provisioning/dashboards/json/on-call.json', json(onCall())],
    ['clickhouse-user.xml', clickhouseUser('gatemeter')],
  ]);
}

function json(value: object): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

function yaml(value: object): string {
  return `# ${generated}\n${stringify(value, { singleQuote: true })}`;
}

/** What only views read has no declaration. */
const undeclared = [
  'grouped_calls',
  'book',
  'book_notes',
  'priced_models',
  'book_borders',
  'tenant_terms',
  'timed_calls',
  'alert_rules',
];

/**
 * The ClickHouse user of Grafana, for users.d of a server. A view runs with its reader's rights, so the tables under it
 * are granted too; the keys of the API are not. Limits bound what a dashboard may ask of the server.
 */
function clickhouseUser(database: string): string {
  const keys = new Set([apiKeys.name, apiKey.name]);
  const readable = [...tables, ...views].map((it) => it.name).filter((name) => !keys.has(name));
  const grants = [...readable, ...undeclared].toSorted();
  return `<!-- ${generated} The user that Grafana reads with; its password is in GRAFANA_CLICKHOUSE_PASSWORD of the server. -->
<clickhouse>
    <profiles>
        <grafana>
            <readonly>2</readonly>
            <max_execution_time>30</max_execution_time>
            <max_memory_usage>4000000000</max_memory_usage>
            <max_result_rows>1000000</max_result_rows>
            <result_overflow_mode>throw</result_overflow_mode>
            <constraints>
                <max_execution_time><max>60</max></max_execution_time>
                <max_memory_usage><max>4000000000</max></max_memory_usage>
                <max_result_rows><max>1000000</max></max_result_rows>
            </constraints>
        </grafana>
    </profiles>
    <users>
        <grafana>
            <password from_env="GRAFANA_CLICKHOUSE_PASSWORD"/>
            <networks><ip>::/0</ip></networks>
            <profile>grafana</profile>
            <quota>default</quota>
            <grants>
${grants.map((name) => `                <query>GRANT SELECT ON ${database}.${name}</query>`).join('\n')}
            </grants>
        </grafana>
    </users>
</clickhouse>
`;
}
