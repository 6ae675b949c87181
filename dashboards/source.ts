/** The plugin that speaks to ClickHouse. */
export const datasourceType = 'grafana-clickhouse-datasource';

/** Fixed, so that a dashboard's variable finds its data source again after Grafana was set up anew. */
export const datasourceUid = 'gatemeter-clickhouse';

export const datasourceName = 'Gatemeter';

/**
 * The data source as Grafana provisions it. Grafana fills in the `$GATEMETER_…` from its own environment; the user
 * should be one that may only read (clickhouse-user.xml), because it is the boundary of who sees what.
 */
export const provisionedDatasource = {
  apiVersion: 1,
  datasources: [
    {
      name: datasourceName,
      uid: datasourceUid,
      type: datasourceType,
      access: 'proxy',
      isDefault: true,
      editable: false,
      jsonData: {
        protocol: 'http',
        host: '$GATEMETER_CLICKHOUSE_HOST',
        port: '$GATEMETER_CLICKHOUSE_PORT',
        // In quotes, because Grafana fills in a text; the plugin reads both.
        secure: '$GATEMETER_CLICKHOUSE_SECURE',
        username: '$GATEMETER_CLICKHOUSE_USER',
        defaultDatabase: '$GATEMETER_CLICKHOUSE_DATABASE',
      },
      secureJsonData: { password: '$GATEMETER_CLICKHOUSE_PASSWORD' },
    },
  ],
};

/** Where Grafana finds the dashboards: beside this file, under the folder that is mounted as its provisioning. */
export const provisionedDashboards = {
  apiVersion: 1,
  providers: [
    {
      name: 'gatemeter',
      folder: 'Gatemeter',
      folderUid: 'gatemeter',
      type: 'file',
      disableDeletion: true,
      // A change in the browser would be lost at the next release.
      allowUiUpdates: false,
      updateIntervalSeconds: 30,
      options: { path: '/etc/grafana/provisioning/dashboards/json' },
    },
  ],
};
